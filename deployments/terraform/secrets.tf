# What only a person may know. Terraform makes the secrets; a person adds the values.

# The digests of the callers' keys.
resource "google_secret_manager_secret" "api_keys" {
  secret_id = "housing-api-keys"
  replication {
    auto {}
  }
  depends_on = [google_project_service.needed]
}

locals {
  # Those that may be there: which variable each is in, of the service or of the jobs.
  offered = {
    operator-keys    = { part = "service", variable = "HOUSING_SERVE_OPERATOR_KEYS" }
    feedback-keys    = { part = "service", variable = "HOUSING_SERVE_FEEDBACK_KEYS" }
    signing-key      = { part = "retrain", variable = "HOUSING_SIGNING_KEY" }
    mlflow-password  = { part = "retrain", variable = "MLFLOW_TRACKING_PASSWORD" }
    mlflow-token     = { part = "retrain", variable = "MLFLOW_TRACKING_TOKEN" }
    notification-url = { part = "retrain", variable = "HOUSING_NOTIFICATION_URL" }
  }
  secrets = { for name in var.secrets : name => local.offered[name] }
}

resource "google_secret_manager_secret" "optional" {
  for_each  = local.secrets
  secret_id = "housing-${each.key}"
  replication {
    auto {}
  }
  depends_on = [google_project_service.needed]
}

resource "google_secret_manager_secret_iam_member" "part_reads" {
  for_each  = local.secrets
  secret_id = google_secret_manager_secret.optional[each.key].id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.part[each.value.part].member
}
