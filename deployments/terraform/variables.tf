variable "project" {
  description = "Google Cloud project that everything is in."
  type        = string
}

variable "region" {
  description = "Region of the bucket, the registry and Cloud Run."
  type        = string
  default     = "europe-west1"
}

variable "repository" {
  description = "GitHub repository whose workflows may release, as owner/name."
  type        = string
  validation {
    condition     = can(regex("^[^/]+/[^/]+$", var.repository))
    error_message = "The repository needs to be owner/name."
  }
}

variable "tag" {
  description = "Tag of the images that a first apply deploys; later releases change it themselves."
  type        = string
}

variable "mlflow_tracking_uri" {
  description = "MLflow server that keeps the registry, such as https://mlflow.example.com."
  type        = string
}

variable "data_url" {
  description = "Source of the raw data, such as gs://BUCKET/housing.tgz; empty: the public one."
  type        = string
  default     = ""
}

variable "callers" {
  description = "Who may call the service beside the release: IAM members; allUsers opens it, with API keys as the only lock."
  type        = list(string)
  default     = []
}

variable "max_instances" {
  description = "Most instances of the service."
  type        = number
  default     = 5
}
