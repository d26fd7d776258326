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

variable "mlflow_username" {
  description = "Name at the MLflow server, where it asks for one; its password is the secret mlflow-password."
  type        = string
  default     = ""
}

variable "secrets" {
  description = "Which of the optional secrets there are: operator-keys, feedback-keys, signing-key, mlflow-password, mlflow-token, notification-url. Each needs a value before service and jobs use it."
  type        = set(string)
  default     = []
  validation {
    condition = length(setsubtract(var.secrets, [
      "operator-keys", "feedback-keys", "signing-key", "mlflow-password", "mlflow-token", "notification-url",
    ])) == 0
    error_message = "Secrets are operator-keys, feedback-keys, signing-key, mlflow-password, mlflow-token, notification-url."
  }
}

variable "public_keys" {
  description = "Public keys of signers; with any, the service serves only what one of them signed."
  type        = list(string)
  default     = []
}

variable "alert_email" {
  description = "Address of the person on call, who is told of alerts."
  type        = string
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
