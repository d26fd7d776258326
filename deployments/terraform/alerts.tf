# Who is told, and of what. The thresholds are those of docs/service-objectives.md.
resource "google_monitoring_notification_channel" "person" {
  display_name = "Housing: on call"
  type         = "email"
  labels       = { email_address = var.alert_email }
  depends_on   = [google_project_service.needed]
}

# The service's log is JSON with a level of its own; the jobs print for people.
resource "google_logging_metric" "service_errors" {
  name   = "housing/service_errors"
  filter = "resource.type=\"cloud_run_revision\" resource.labels.service_name=\"housing\" jsonPayload.level=(\"error\" OR \"critical\")"
  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
  }
  depends_on = [google_project_service.needed]
}

resource "google_logging_metric" "monitor_alerts" {
  name   = "housing/monitor_alerts"
  filter = "resource.type=\"cloud_run_job\" resource.labels.job_name=\"housing-monitor\" textPayload:\"Alert on version\""
  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
  }
  depends_on = [google_project_service.needed]
}

locals {
  of_service = "resource.type = \"cloud_run_revision\" AND resource.labels.service_name = \"housing\""
  of_jobs    = "resource.type = \"cloud_run_job\""
  alerts = {
    errors = {
      title    = "Requests fail"
      filter   = "${local.of_service} AND metric.type = \"run.googleapis.com/request_count\" AND metric.labels.response_code_class = \"5xx\""
      above    = 0.05 # a second
      duration = "300s"
      aligner  = "ALIGN_RATE"
      told     = "More than 3 requests a minute fail. docs/runbook.md, HousingErrorsFast."
    }
    slow = {
      title    = "One request in a hundred is slow"
      filter   = "${local.of_service} AND metric.type = \"run.googleapis.com/request_latencies\""
      above    = 250 # milliseconds, with the way through Google's front end
      duration = "900s"
      aligner  = "ALIGN_PERCENTILE_99"
      told     = "docs/runbook.md, HousingSlow."
    }
    log = {
      title    = "The service logs errors"
      filter   = "${local.of_service} AND metric.type = \"logging.googleapis.com/user/${google_logging_metric.service_errors.name}\""
      above    = 0
      duration = "0s"
      aligner  = "ALIGN_DELTA"
      told     = "Look in Cloud Logging: jsonPayload.level=\"error\"."
    }
    drift = {
      title    = "The monitor raised an alert"
      filter   = "${local.of_jobs} AND metric.type = \"logging.googleapis.com/user/${google_logging_metric.monitor_alerts.name}\""
      above    = 0
      duration = "0s"
      aligner  = "ALIGN_DELTA"
      told     = "docs/runbook.md, housing.monitor.alert."
    }
    job = {
      title    = "A job failed"
      filter   = "${local.of_jobs} AND metric.type = \"run.googleapis.com/job/completed_execution_count\" AND metric.labels.result = \"failed\""
      above    = 0
      duration = "0s"
      aligner  = "ALIGN_DELTA"
      told     = "Look at the execution's log: gcloud run jobs executions list."
    }
  }
}

resource "google_monitoring_alert_policy" "alert" {
  for_each     = local.alerts
  display_name = "Housing: ${each.value.title}"
  combiner     = "OR"
  conditions {
    display_name = each.value.title
    condition_threshold {
      filter          = each.value.filter
      comparison      = "COMPARISON_GT"
      threshold_value = each.value.above
      duration        = each.value.duration
      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = each.value.aligner
        cross_series_reducer = each.key == "slow" ? "REDUCE_MAX" : "REDUCE_SUM"
      }
    }
  }
  documentation {
    content = each.value.told
  }
  notification_channels = [google_monitoring_notification_channel.person.id]
}

# A monitor that does not run sees nothing: Cloud Monitoring looks back a day at the most.
resource "google_monitoring_alert_policy" "silent_monitor" {
  display_name = "Housing: the monitor has not run"
  combiner     = "OR"
  conditions {
    display_name = "No execution of housing-monitor ended"
    condition_absent {
      filter   = "${local.of_jobs} AND resource.labels.job_name = \"housing-monitor\" AND metric.type = \"run.googleapis.com/job/completed_execution_count\""
      duration = "84600s"
      aggregations {
        alignment_period     = "3600s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }
  documentation {
    content = "Start it: gcloud run jobs execute housing-monitor. Then look at Cloud Scheduler."
  }
  notification_channels = [google_monitoring_notification_channel.person.id]
}
