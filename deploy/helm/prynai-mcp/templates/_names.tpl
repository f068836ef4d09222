{{/* Names and labels. Where a role is given: "gateway" or "worker". */}}

{{- define "prynai.labels" -}}
{{ include "prynai.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "prynai.selector" -}}
app.kubernetes.io/name: prynai-mcp
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .role }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{- define "prynai.image" -}}
{{- $image := (index .root.Values .role).image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* What contradicts itself. The schema refuses what is wrong by itself. */}}
{{- define "prynai.check" -}}
{{- $auth := .Values.auth -}}
{{- if and (ne $auth.kind "none") (not $auth.audience) -}}
{{- fail "auth.audience is missing: whom tokens must be meant for" -}}
{{- end -}}
{{- if and (eq $auth.kind "entra") (not $auth.tenant) -}}
{{- fail "auth.tenant is missing: the directory whose tokens count" -}}
{{- end -}}
{{- if and (eq $auth.kind "oidc") (not $auth.issuer) -}}
{{- fail "auth.issuer is missing: the URL of the issuer" -}}
{{- end -}}
{{- $facade := .Values.facade -}}
{{- if $facade.enabled -}}
{{- if eq $auth.kind "none" -}}
{{- fail "facade.enabled needs auth.kind entra or oidc: people sign in there" -}}
{{- end -}}
{{- if not $facade.clientId -}}
{{- fail "facade.clientId is missing: the registration of the façade at the issuer" -}}
{{- end -}}
{{- if and (eq $facade.proof "identity") (not .Values.identity.clientId) -}}
{{- fail "facade.proof identity needs identity.clientId" -}}
{{- end -}}
{{- if and $facade.enterpriseIssuers (not $facade.signingKeys) -}}
{{- fail "facade.enterpriseIssuers needs facade.signingKeys" -}}
{{- end -}}
{{- else if or $facade.enterpriseIssuers $facade.signingKeys -}}
{{- fail "facade.enterpriseIssuers and facade.signingKeys need facade.enabled" -}}
{{- end -}}
{{- with .Values.downstream -}}
{{- if and .apps (not .clientId) -}}
{{- fail "downstream.apps needs downstream.clientId" -}}
{{- end -}}
{{- if .clientId -}}
{{- if ne $auth.kind "entra" -}}
{{- fail "downstream.clientId needs auth.kind entra" -}}
{{- end -}}
{{- if not $.Values.signRequests -}}
{{- fail "downstream.clientId needs signRequests: whose token a tool gets is signed" -}}
{{- end -}}
{{- if and (eq .proof "identity") (not $.Values.identity.clientId) -}}
{{- fail "downstream.proof identity needs identity.clientId" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if eq .Values.redis.auth "entra" -}}
{{- if not .Values.identity.clientId -}}
{{- fail "redis.auth entra needs identity.clientId" -}}
{{- end -}}
{{- if not .Values.redis.tls -}}
{{- fail "redis.auth entra needs redis.tls" -}}
{{- end -}}
{{- end -}}
{{- if lt (int .Values.gateway.drainSeconds) (int .Values.gateway.stopDelaySeconds) -}}
{{- fail "gateway.stopDelaySeconds is a part of gateway.drainSeconds and cannot be longer" -}}
{{- end -}}
{{- range list "gateway" "worker" -}}
{{- $role := index $.Values . -}}
{{- if lt (int $role.maxReplicas) (int $role.minReplicas) -}}
{{- fail (printf "%s.maxReplicas is less than minReplicas" .) -}}
{{- end -}}
{{- end -}}
{{- end }}
