# OpenBao's agent at a sensor: asks for a certificate, writes it, and does so again in good time, for ever.
#   bao agent -config=sensor.hcl
# One file holds certificate, authority and key, and the agent renames it into place: there is never half a pair. Both
# settings name it: tls.certificate and tls.key are /etc/weir/pki/sensor.pem, tls.trust is /etc/weir/pki/ca.pem.
# Run it as a user of its own in the group weir-sensor; the key is for that group alone.
vault {
  address = "https://bao.example.org:8200"
  ca_cert = "/etc/weir/pki/bao-ca.pem"
}

auto_auth {
  method "approle" {
    config = {
      role_id_file_path                   = "/etc/weir/bao/role-id"
      secret_id_file_path                 = "/etc/weir/bao/secret-id"
      remove_secret_id_file_after_reading = false
    }
  }
}

template {
  contents = <<EOT
{{- with pkiCert "weir-pki/issue/sensor-acme-hq-edge1" "uri_sans=spiffe://example.org/tenant/acme/site/hq/sensor/edge1" -}}
{{ .Cert }}{{ .CA }}{{ .Key }}
{{- end -}}
EOT
  destination = "/etc/weir/pki/sensor.pem"
  perms       = 0640
}

# The authority. While one is replaced by another, put both into ca.pem by hand instead (handbook, Operations).
template {
  contents = <<EOT
{{- with secret "weir-pki/cert/ca" -}}
{{ .Data.certificate }}
{{- end -}}
EOT
  destination = "/etc/weir/pki/ca.pem"
  perms       = 0644
}
