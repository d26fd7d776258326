output "service_url" {
  value = google_cloud_run_v2_service.housing.uri
}

# The variables that the workflows need, by their names in GitHub.
output "github_variables" {
  value = {
    GCP_PROJECT                    = var.project
    GCP_REGION                     = var.region
    GCP_WORKLOAD_IDENTITY_PROVIDER = google_iam_workload_identity_pool_provider.github.name
    GCP_RELEASE_ACCOUNT            = google_service_account.part["release"].email
  }
}
