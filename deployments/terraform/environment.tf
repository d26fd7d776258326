# What service and jobs are told, by variable: a value, or the secret that holds it.
locals {
  values = {
    service = merge(
      {
        HOUSING_SERVE_ENVIRONMENT = "production"
        HOUSING_SERVE_RELEASES    = "gs://${google_storage_bucket.platform.name}/releases"
      },
      length(var.public_keys) > 0 ? { HOUSING_SERVE_PUBLIC_KEYS = join(",", var.public_keys) } : {},
    )
    retrain = {
      HOUSING_BUCKET              = "gs://${google_storage_bucket.platform.name}"
      HOUSING_DATA_URL            = var.data_url
      HOUSING_MLFLOW_TRACKING_URI = var.mlflow_tracking_uri
      MLFLOW_TRACKING_USERNAME    = var.mlflow_username
    }
  }
  environment = {
    for part, values in local.values : part => merge(
      { for name, value in values : name => { value = value, secret = null } },
      part == "service" ? {
        HOUSING_SERVE_API_KEYS = { value = null, secret = google_secret_manager_secret.api_keys.secret_id }
      } : {},
      {
        for name, secret in local.secrets : secret.variable => {
          value  = null
          secret = google_secret_manager_secret.optional[name].secret_id
        } if secret.part == part
      },
    )
  }
}
