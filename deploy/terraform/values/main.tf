# Values of the chart deploy/helm/weir from few words, checked. Needs no provider; the module release installs them.
terraform {
  required_version = ">= 1.3"
}

variable "registry" {
  description = "Where your images are."
  type        = string
}

variable "image_version" {
  description = "Which version of them."
  type        = string
  validation {
    condition     = var.image_version != "latest" && var.image_version != ""
    error_message = "Name a version: latest is another one tomorrow."
  }
}

variable "trust_domain" {
  description = "The SPIFFE trust domain of all identities."
  type        = string
}

variable "identity" {
  description = "Where certificates come from: secret, certManager or spiffe."
  type        = string
  default     = "certManager"
  validation {
    condition     = contains(["secret", "certManager", "spiffe"], var.identity)
    error_message = "One of secret, certManager, spiffe."
  }
}

variable "issuer" {
  description = "cert-manager's issuer, for certManager."
  type        = object({ name = string, kind = string })
  default     = { name = "weir", kind = "Issuer" }
}

variable "hosts" {
  description = "What sensors and people call the aggregator."
  type        = list(string)
  default     = []
}

variable "history" {
  description = "Size and class of the history's volume, and for how many days it is."
  type        = object({ size = string, class = string, days = number })
  default     = { size = "100Gi", class = "", days = 30 }
  validation {
    condition     = var.history.days >= 1 && can(regex("^[0-9]+(Mi|Gi|Ti)$", var.history.size))
    error_message = "At least one day, and a size such as 100Gi."
  }
}

variable "sensors" {
  description = "Sensors in the cluster: a name each, whose they are and where."
  type        = map(object({ tenant = string, site = string }))
  default     = {}
}

variable "monitoring" {
  description = "Whether Prometheus' operator is there."
  type        = bool
  default     = false
}

locals {
  values = {
    image       = { registry = var.registry, tag = var.image_version }
    trustDomain = var.trust_domain
    identity    = { source = var.identity, issuer = var.issuer }
    aggregator = {
      hosts    = var.hosts
      storage  = { size = var.history.size, className = var.history.class }
      settings = { history = { days = var.history.days } }
    }
    sensors        = [for name, each in var.sensors : { name = name, tenant = each.tenant, site = each.site }]
    serviceMonitor = { enabled = var.monitoring }
  }
}

output "values" {
  description = "For the chart, as YAML."
  value       = yamlencode(local.values)
}
