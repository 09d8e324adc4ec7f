# Installs the chart with the values that the module values has made:
#
#   module "values" {
#     source        = "./deploy/terraform/values"
#     registry      = "registry.example.org"
#     image_version = "0.1.0"
#     trust_domain  = "example.org"
#   }
#   module "weir" {
#     source = "./deploy/terraform/release"
#     values = module.values.values
#   }
#
# Certificates and secrets are not Terraform's: its state would hold them.
terraform {
  required_version = ">= 1.3"
  required_providers {
    helm = {
      source  = "hashicorp/helm"
      version = ">= 2.12.0, < 4.0.0"
    }
  }
}

variable "values" {
  description = "YAML for the chart."
  type        = string
}

variable "namespace" {
  description = "Where to."
  type        = string
  default     = "weir"
}

resource "helm_release" "weir" {
  name             = "weir"
  namespace        = var.namespace
  create_namespace = true
  chart            = "${path.module}/../../helm/weir"
  values           = [var.values]
  atomic           = true
  timeout          = 600
}
