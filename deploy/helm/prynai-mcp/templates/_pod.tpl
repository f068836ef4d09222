{{/* What the pods of both roles have in common. */}}

{{- define "prynai.pod" -}}
serviceAccountName: {{ .root.Release.Name }}
# No process asks Kubernetes for anything. The token of a workload identity is mounted beside this.
automountServiceAccountToken: false
enableServiceLinks: false
# Longer than the process itself takes: it ends five seconds after its drain in any case.
terminationGracePeriodSeconds: {{ add (index .root.Values .role).drainSeconds 10 }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "prynai.selector" $ | nindent 8 }}
  {{- end }}
{{- with (index .root.Values .role).nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with (index .root.Values .role).tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "prynai.podMetadata" -}}
labels:
  {{- include "prynai.labels" . | nindent 2 }}
  {{- if .root.Values.identity.clientId }}
  azure.workload.identity/use: "true"
  {{- end }}
  {{- with (index .root.Values .role).podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with (index .root.Values .role).podAnnotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "prynai.container" -}}
image: {{ include "prynai.image" . }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
command: {{ (index .root.Values .role).command | default (list (printf "prynai-%s" .role)) | toJson }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
resources: {{- toYaml (index .root.Values .role).resources | nindent 2 }}
{{- end }}

{{- define "prynai.secret" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .root.Values.secretName }}
      key: {{ .key }}
{{- end }}

{{- define "prynai.env" -}}
{{- $role := index .root.Values .role -}}
{{- if eq .root.Values.redis.auth "entra" -}}
- name: PRYNAI_REDIS_URL
  value: rediss://{{ .root.Values.redis.address }}
- name: PRYNAI_REDIS_AUTH
  value: entra
{{- else -}}
{{ include "prynai.secret" (dict "root" .root "name" "PRYNAI_REDIS_URL" "key" "redis-url") }}
{{- end }}
- name: PRYNAI_KEY_PREFIX
  value: {{ .root.Values.redis.keyPrefix | quote }}
{{- if .root.Values.redis.caSecret }}
- name: PRYNAI_REDIS_CA
  value: /etc/prynai/redis/ca.crt
{{- end }}
{{- if .root.Values.signRequests }}
{{ include "prynai.secret" (dict "root" .root "name" "PRYNAI_ENVELOPE_KEY" "key" "envelope-key") }}
{{- end }}
{{- if .root.Values.sealTasks }}
{{ include "prynai.secret" (dict "root" .root "name" "PRYNAI_TASK_KEY" "key" "task-key") }}
{{- end }}
{{- if .root.Values.downstream.clientId }}
{{ include "prynai.secret" (dict "root" .root "name" "PRYNAI_DOWNSTREAM_KEY" "key" "downstream-key") }}
{{- end }}
# Probes are there, and metrics.
- name: PRYNAI_ADMIN_LISTEN
  value: 0.0.0.0:9464
{{ include "prynai.secret" (dict "root" .root "name" "PRYNAI_ADMIN_TOKEN" "key" "admin-token") }}
- name: PRYNAI_DRAIN_TIMEOUT
  value: {{ $role.drainSeconds }}s
- name: PRYNAI_LOG_FORMAT
  value: json
{{- end }}

{{/* What only gateways have: who signs people in, and who gets tokens for other APIs. */}}
{{- define "prynai.registrations" -}}
{{- with .root.Values.facade }}
{{- if .enabled }}
- name: PRYNAI_OAUTH_FACADE
  value: "true"
- name: PRYNAI_FACADE_CLIENT_ID
  value: {{ .clientId | quote }}
{{- if eq .proof "identity" }}
- name: PRYNAI_FACADE_IDENTITY
  value: default
{{- else }}
{{ include "prynai.secret" (dict "root" $.root "name" "PRYNAI_FACADE_CLIENT_SECRET" "key" "facade-client-secret") }}
{{- end }}
{{ include "prynai.secret" (dict "root" $.root "name" "PRYNAI_FACADE_KEY" "key" "facade-key") }}
{{- with .redirects }}
- name: PRYNAI_FACADE_REDIRECT
  value: {{ join "," . | quote }}
{{- end }}
{{- with .enterpriseIssuers }}
- name: PRYNAI_FACADE_ENTERPRISE_ISSUER
  value: {{ join "," . | quote }}
{{ include "prynai.secret" (dict "root" $.root "name" "PRYNAI_FACADE_ENTERPRISE_CLIENT" "key" "facade-enterprise-clients") }}
{{- end }}
{{- with .signingKeys }}
- name: PRYNAI_FACADE_SIGNING_KEY
  value: /etc/prynai/signing/{{ join ",/etc/prynai/signing/" . }}
{{- end }}
{{- end }}
{{- end }}
{{- with .root.Values.downstream }}
{{- if .clientId }}
- name: PRYNAI_DOWNSTREAM_CLIENT_ID
  value: {{ .clientId | quote }}
{{- if eq .proof "identity" }}
- name: PRYNAI_DOWNSTREAM_IDENTITY
  value: default
{{- else }}
{{ include "prynai.secret" (dict "root" $.root "name" "PRYNAI_DOWNSTREAM_CLIENT_SECRET" "key" "downstream-client-secret") }}
{{- end }}
{{- if .apps }}
- name: PRYNAI_DOWNSTREAM_APPS
  value: "true"
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "prynai.mounts" -}}
{{- if .root.Values.redis.caSecret }}
- name: redis-ca
  mountPath: /etc/prynai/redis
  readOnly: true
{{- end }}
{{- if eq .role "gateway" }}
{{- if .root.Values.gateway.tlsSecret }}
- name: tls
  mountPath: /etc/prynai/tls
  readOnly: true
{{- end }}
{{- if .root.Values.gateway.policyConfigMap }}
- name: policy
  mountPath: /etc/prynai/policy
  readOnly: true
{{- end }}
{{- if .root.Values.facade.signingKeys }}
- name: signing
  mountPath: /etc/prynai/signing
  readOnly: true
{{- end }}
{{- end }}
{{- end }}

{{- define "prynai.volumes" -}}
{{- if .root.Values.redis.caSecret }}
- name: redis-ca
  secret:
    secretName: {{ .root.Values.redis.caSecret }}
    items: [{ key: ca.crt, path: ca.crt }]
{{- end }}
{{- if eq .role "gateway" }}
{{- with .root.Values.gateway.tlsSecret }}
- name: tls
  secret:
    secretName: {{ . }}
{{- end }}
{{- with .root.Values.gateway.policyConfigMap }}
- name: policy
  configMap:
    name: {{ . }}
{{- end }}
{{- with .root.Values.facade.signingKeys }}
- name: signing
  secret:
    secretName: {{ $.root.Values.secretName }}
    items:
      {{- range . }}
      - { key: {{ . }}, path: {{ . }} }
      {{- end }}
{{- end }}
{{- end }}
{{- end }}
