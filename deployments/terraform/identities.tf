# One identity for each part, with what it needs and no more. None has a key.
resource "google_service_account" "part" {
  for_each = {
    service = "Answers requests"
    retrain = "Trains and promotes models"
    release = "Releases from GitHub"
  }
  account_id   = "housing-${each.key}"
  display_name = each.value
}

# Both write: the service its prediction log, the job everything else.
resource "google_storage_bucket_iam_member" "writers" {
  for_each = toset(["service", "retrain"])
  bucket   = google_storage_bucket.platform.name
  role     = "roles/storage.objectUser"
  member   = google_service_account.part[each.key].member
}

resource "google_secret_manager_secret_iam_member" "service_reads_keys" {
  secret_id = google_secret_manager_secret.api_keys.id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.part["service"].member
}

resource "google_artifact_registry_repository_iam_member" "release_pushes" {
  repository = google_artifact_registry_repository.images.name
  location   = var.region
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.part["release"].member
}

resource "google_cloud_run_v2_service_iam_member" "release_deploys" {
  name     = google_cloud_run_v2_service.housing.name
  location = var.region
  role     = "roles/run.developer"
  member   = google_service_account.part["release"].member
}

# A private service is verified with a token of the release's own.
resource "google_cloud_run_v2_service_iam_member" "release_calls" {
  name     = google_cloud_run_v2_service.housing.name
  location = var.region
  role     = "roles/run.invoker"
  member   = google_service_account.part["release"].member
}

resource "google_cloud_run_v2_job_iam_member" "release_runs_the_jobs" {
  for_each = local.jobs
  name     = google_cloud_run_v2_job.job[each.key].name
  location = var.region
  role     = "roles/run.developer"
  member   = google_service_account.part["release"].member
}

resource "google_service_account_iam_member" "release_acts_as" {
  for_each           = toset(["service", "retrain"])
  service_account_id = google_service_account.part[each.key].name
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.part["release"].member
}

# GitHub proves who it is with a token of the moment; only this repository's tags and main count.
resource "google_iam_workload_identity_pool" "github" {
  workload_identity_pool_id = "github"
  depends_on                = [google_project_service.needed]
}

resource "google_iam_workload_identity_pool_provider" "github" {
  workload_identity_pool_id          = google_iam_workload_identity_pool.github.workload_identity_pool_id
  workload_identity_pool_provider_id = "github"
  attribute_mapping = {
    "google.subject"       = "assertion.sub"
    "attribute.repository" = "assertion.repository"
  }
  attribute_condition = join(" && ", [
    "assertion.repository == '${var.repository}'",
    "(assertion.ref.startsWith('refs/tags/v') || assertion.ref == 'refs/heads/main')",
  ])
  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_service_account_iam_member" "github_is_release" {
  service_account_id = google_service_account.part["release"].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.github.name}/attribute.repository/${var.repository}"
}
