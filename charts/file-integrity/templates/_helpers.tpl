{{/* The image of the operator. Fails if none is set. */}}
{{- define "file-integrity.image" -}}
{{- $image := .Values.image -}}
{{- if hasPrefix "image-not-set.invalid/" $image.repository -}}
{{- fail "image.repository is not set, and this chart is not that of a release: build or mirror the image (docs/install.md, section The image), and use --set image.repository=registry.example/fio,image.tag=2.0.0" -}}
{{- end -}}
{{- if and $image.tag $image.digest -}}
{{- fail (printf "image.tag is %s, and image.digest is %s: use one of them, and set the other one to an empty text" $image.tag $image.digest) -}}
{{- end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository ($image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* Whether to install for OpenShift: true or empty. */}}
{{- define "file-integrity.isOpenShift" -}}
{{- if eq (toString .Values.openshift.enabled) "auto" -}}
{{- if .Capabilities.APIVersions.Has "config.openshift.io/v1" -}}true{{- end -}}
{{- else if .Values.openshift.enabled -}}true{{- end -}}
{{- end -}}

{{/*
Whether the namespace is a part of the release: true or empty. It is not if something else has created it. With
--create-namespace, Helm creates it after this template is rendered.
*/}}
{{- define "file-integrity.createsNamespace" -}}
{{- if .Values.namespace.create -}}
{{- $namespace := lookup "v1" "Namespace" "" .Release.Namespace -}}
{{- if not $namespace -}}true
{{- else if eq (dig "metadata" "annotations" "meta.helm.sh/release-name" "" $namespace) .Release.Name -}}true
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
The name of the operator's ClusterRole. Except in the namespace of the manifests, it contains the namespace, as with
hack/deploy: two installations must not overwrite each other's permissions.
*/}}
{{- define "file-integrity.clusterRoleName" -}}
{{- if eq .Release.Namespace "openshift-file-integrity" -}}
file-integrity-operator
{{- else -}}
file-integrity-operator.{{ .Release.Namespace }}
{{- end -}}
{{- end -}}

{{/* Fails if a CustomResourceDefinition in the cluster is not that of the chart. Without a cluster, nothing is found. */}}
{{- define "file-integrity.checkDefinitions" -}}
{{- $isConnected := lookup "v1" "Namespace" "" "kube-system" -}}
{{- range $path, $content := .Files.Glob "crds/*.yaml" -}}
{{- $wanted := $.Files.Get $path | fromYaml -}}
{{- $name := $wanted.metadata.name -}}
{{- $found := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" $name -}}
{{- $remedy := "Apply those of the chart, then repeat the command: helm show crds CHART | kubectl apply --server-side --force-conflicts -f -" -}}
{{- if and $found (ne (toJson $found.spec.versions) (toJson $wanted.spec.versions)) -}}
{{- fail (printf "the CustomResourceDefinition %s in the cluster is not that of this chart, and Helm does not upgrade it. %s" $name $remedy) -}}
{{- else if and (not $found) $isConnected $.Release.IsUpgrade -}}
{{- fail (printf "the CustomResourceDefinition %s is missing in the cluster, and Helm creates it only at the installation. %s" $name $remedy) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Fails if Helm 3 would create the namespace. It does not accept an object of the release that exists already, even if
--create-namespace has created it.
*/}}
{{- define "file-integrity.checkHelm" -}}
{{- $isConnected := lookup "v1" "Namespace" "" "kube-system" -}}
{{- $exists := lookup "v1" "Namespace" "" .Release.Namespace -}}
{{- if and .Values.namespace.create $isConnected (not $exists) (semverCompare "<4-0" .Capabilities.HelmVersion.Version) -}}
{{- fail (printf "Helm %s cannot create the namespace %s with the labels that the daemons need. Use Helm 4, or run kubectl create namespace %s, then kubectl label namespace %s pod-security.kubernetes.io/enforce=privileged, and repeat the command" .Capabilities.HelmVersion.Version .Release.Namespace .Release.Namespace .Release.Namespace) -}}
{{- end -}}
{{- end -}}

{{/* Fails if the namespace is not a part of the release and does not admit the daemons. */}}
{{- define "file-integrity.checkNamespace" -}}
{{- if not (include "file-integrity.createsNamespace" .) -}}
{{- $namespace := lookup "v1" "Namespace" "" .Release.Namespace -}}
{{- $level := dig "metadata" "labels" "pod-security.kubernetes.io/enforce" "" $namespace -}}
{{- if has $level (list "baseline" "restricted") -}}
{{- fail (printf "the namespace %s has the label pod-security.kubernetes.io/enforce=%s, which does not admit the daemons: they are privileged. Run kubectl label --overwrite namespace %s pod-security.kubernetes.io/enforce=privileged, or use another namespace" .Release.Namespace $level .Release.Namespace) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Fails if an upgrade would delete a FileIntegrity of the release. The usual reason is an upgrade with --set and without
--reset-then-reuse-values: Helm then uses the defaults for all other values, among them fileIntegrity.create.
*/}}
{{- define "file-integrity.checkDeletion" -}}
{{- $api := "fileintegrity.openshift.io/v1alpha1" -}}
{{- if and .Release.IsUpgrade (.Capabilities.APIVersions.Has $api) -}}
{{- range (lookup $api "FileIntegrity" .Release.Namespace "").items -}}
{{- $annotations := dig "metadata" "annotations" dict . -}}
{{- $isOfRelease := eq (get $annotations "meta.helm.sh/release-name") $.Release.Name -}}
{{- $isKept := eq (get $annotations "helm.sh/resource-policy") "keep" -}}
{{- $isRendered := and $.Values.fileIntegrity.create (eq .metadata.name $.Values.fileIntegrity.name) -}}
{{- if and $isOfRelease (not $isKept) (not $isRendered) -}}
{{- fail (printf "this upgrade would delete the FileIntegrity %s, its daemons and the results of its nodes. Use --reset-then-reuse-values to keep the values of the release, or delete it first: kubectl -n %s delete fileintegrity %s" .metadata.name $.Release.Namespace .metadata.name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Fails if another release has the ClusterRoles that all installations share. */}}
{{- define "file-integrity.checkSharedClusterRoles" -}}
{{- if .Values.sharedClusterRoles.create -}}
{{- $role := lookup "rbac.authorization.k8s.io/v1" "ClusterRole" "" "fileintegrity-editor-role" -}}
{{- $annotations := dig "metadata" "annotations" dict $role -}}
{{- $release := get $annotations "meta.helm.sh/release-name" -}}
{{- $namespace := get $annotations "meta.helm.sh/release-namespace" -}}
{{- if and $release (ne (printf "%s/%s" $namespace $release) (printf "%s/%s" .Release.Namespace .Release.Name)) -}}
{{- fail (printf "the release %s in the namespace %s has the ClusterRoles that all installations share: use --set sharedClusterRoles.create=false" $release $namespace) -}}
{{- end -}}
{{- end -}}
{{- end -}}
