{{- define "weir.image" -}}
{{- $image := .root.Values.image -}}
{{ $image.registry }}/{{ .program }}{{ if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag }}{{ end }}
{{- end }}
{{- define "weir.labels" -}}
app.kubernetes.io/name: {{ .program }}
app.kubernetes.io/instance: {{ .name }}
app.kubernetes.io/part-of: weir
{{- end }}
{{/* What every pod is: nobody, without rights, on a file system that it cannot write. */}}
{{- define "weir.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              app.kubernetes.io/name: {{ .program }}
{{- end }}
{{- define "weir.container" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
privileged: false
capabilities: {drop: [ALL]}
{{- end }}
{{/* Certificate, key and authorities at /etc/weir/pki, whoever makes them. */}}
{{- define "weir.pki" -}}
{{- if eq .root.Values.identity.source "spiffe" }}
- name: pki
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
- name: spiffe
  csi: {driver: csi.spiffe.io, readOnly: true}
- name: spiffe-helper
  configMap: {name: weir-spiffe-helper}
{{- else }}
- name: pki
  secret:
    secretName: {{ .secret }}
    defaultMode: 0440
{{- end }}
{{- end }}
{{- define "weir.helper" -}}
{{- if eq .Values.identity.source "spiffe" }}
- name: spiffe-helper
  image: {{ .Values.identity.spiffeHelperImage }}
  args: [-config, /etc/spiffe-helper/helper.conf]
  securityContext: {{ include "weir.container" . | nindent 4 }}
  resources:
    requests: {cpu: 10m, memory: 16Mi}
    limits: {memory: 64Mi}
  volumeMounts:
    - {name: pki, mountPath: /etc/weir/pki}
    - {name: spiffe, mountPath: /run/spire/sockets, readOnly: true}
    - {name: spiffe-helper, mountPath: /etc/spiffe-helper, readOnly: true}
{{- end }}
{{- end }}
{{- define "weir.serviceType" -}}
type: {{ .type | default "ClusterIP" }}
{{- if eq (.type | default "ClusterIP") "LoadBalancer" }}
externalTrafficPolicy: Local
{{- end }}
{{- end }}
