terraform {
  required_version = ">= 1.9"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.0"
    }
  }
  # Where the state is: terraform init -backend-config=bucket=PROJECT-terraform
  backend "gcs" {
    prefix = "housing"
  }
}

provider "google" {
  project = var.project
  region  = var.region
}
