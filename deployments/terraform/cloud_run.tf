locals {
  registry = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.images.repository_id}"
}

resource "google_cloud_run_v2_service" "housing" {
  name                = "housing"
  location            = var.region
  deletion_protection = true
  template {
    service_account       = google_service_account.part["service"].email
    execution_environment = "EXECUTION_ENVIRONMENT_GEN2"
    scaling {
      min_instance_count = 1
      max_instance_count = var.max_instances
    }
    max_instance_request_concurrency = 80
    containers {
      image = "${local.registry}/serve:${var.tag}"
      dynamic "env" {
        for_each = local.environment.service
        content {
          name  = env.key
          value = env.value.value
          dynamic "value_source" {
            for_each = env.value.secret[*]
            content {
              secret_key_ref {
                secret  = value_source.value
                version = "latest"
              }
            }
          }
        }
      }
      resources {
        limits            = { cpu = "1", memory = "512Mi" }
        startup_cpu_boost = true
        cpu_idle          = false # the release channel is followed between requests too
      }
      startup_probe {
        http_get {
          path = "/health/ready"
        }
        period_seconds    = 2
        failure_threshold = 30
      }
      liveness_probe {
        http_get {
          path = "/health/live"
        }
      }
    }
  }
  lifecycle {
    # Releases change the image and shift the traffic.
    ignore_changes = [template[0].containers[0].image, traffic, client, client_version]
  }
  depends_on = [
    google_secret_manager_secret_iam_member.service_reads_keys,
    google_secret_manager_secret_iam_member.part_reads,
    google_storage_bucket_iam_member.writers,
  ]
}

resource "google_cloud_run_v2_service_iam_member" "callers" {
  for_each = toset(var.callers)
  name     = google_cloud_run_v2_service.housing.name
  location = var.region
  role     = "roles/run.invoker"
  member   = each.key
}

locals {
  jobs = {
    retrain   = { cpu = "4", memory = "8Gi", option = "--as-job" }
    monitor   = { cpu = "1", memory = "2Gi", option = "--as-job" }
    retention = { cpu = "1", memory = "2Gi", option = "--delete" }
  }
  # The retrain's schedule is the workflow's, or Prefect's.
  schedules = {
    monitor   = "0 3 * * *"
    retention = "0 5 * * 0"
  }
}

resource "google_cloud_run_v2_job" "job" {
  for_each            = local.jobs
  name                = "housing-${each.key}"
  location            = var.region
  deletion_protection = false
  template {
    template {
      service_account       = google_service_account.part["retrain"].email
      execution_environment = "EXECUTION_ENVIRONMENT_GEN2"
      max_retries           = 1 # of a failure: what the gate or the monitor says is none
      timeout               = "3600s"
      containers {
        image   = "${local.registry}/pipeline:${var.tag}"
        command = ["housing"]
        args    = [each.key, each.value.option]
        dynamic "env" {
          for_each = local.environment.retrain
          content {
            name  = env.key
            value = env.value.value
            dynamic "value_source" {
              for_each = env.value.secret[*]
              content {
                secret_key_ref {
                  secret  = value_source.value
                  version = "latest"
                }
              }
            }
          }
        }
        resources {
          limits = { cpu = each.value.cpu, memory = each.value.memory }
        }
      }
    }
  }
  lifecycle {
    # A release gives the image to the jobs as to the service.
    ignore_changes = [template[0].template[0].containers[0].image, client, client_version]
  }
  depends_on = [
    google_secret_manager_secret_iam_member.part_reads,
    google_storage_bucket_iam_member.writers,
  ]
}

# The monitor looks once a day; what nobody needs any more is deleted once a week.
resource "google_cloud_scheduler_job" "job" {
  for_each         = local.schedules
  name             = "housing-${each.key}"
  region           = var.region
  schedule         = each.value
  time_zone        = "Etc/UTC"
  attempt_deadline = "60s"
  http_target {
    http_method = "POST"
    uri         = "https://run.googleapis.com/v2/${google_cloud_run_v2_job.job[each.key].id}:run"
    oauth_token {
      service_account_email = google_service_account.part["release"].email
    }
  }
  depends_on = [google_project_service.needed]
}
