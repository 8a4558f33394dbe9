# shellcheck shell=bash
# etcd and kube-apiserver, for the local cluster and for the API server alone (api.sh).

# Names and addresses in the certificate of the API server.
APISERVER_NAMES=DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,IP:127.0.0.1

# make_apiserver_pki DIR [MORE_NAMES]
make_apiserver_pki() {
  local dir=$1 more=${2:-}
  make_ca "$dir" ca
  make_ca "$dir" front-proxy-ca
  make_cert "$dir" ca apiserver /CN=kube-apiserver "$APISERVER_NAMES$more"
  make_cert "$dir" ca apiserver-kubelet-client /CN=kube-apiserver-kubelet-client
  make_cert "$dir" ca admin /O=system:masters/CN=admin
  make_cert "$dir" front-proxy-ca front-proxy-client /CN=front-proxy-client
  make_signing_key "$dir" service-account
}

# etcd_args DATA_DIR CLIENT_PORT PEER_PORT
etcd_args() {
  local client=http://127.0.0.1:$2 peer=http://127.0.0.1:$3
  # The data is temporary, so it may be lost if the machine crashes.
  printf '%s\n' --name=fio --data-dir="$1" --unsafe-no-fsync --log-level=warn \
    --listen-client-urls="$client" --advertise-client-urls="$client" \
    --listen-peer-urls="$peer" --initial-advertise-peer-urls="$peer" \
    --initial-cluster="fio=$peer"
}

# apiserver_args PKI ETCD_PORT AUDIT_LOG
apiserver_args() {
  local pki=$1 etcd_port=$2 audit_log=$3
  printf '%s\n' \
    --etcd-servers="http://127.0.0.1:$etcd_port" \
    --tls-cert-file="$pki/apiserver.crt" \
    --tls-private-key-file="$pki/apiserver.key" \
    --client-ca-file="$pki/ca.crt" \
    --requestheader-client-ca-file="$pki/front-proxy-ca.crt" \
    --requestheader-allowed-names=front-proxy-client \
    --requestheader-username-headers=X-Remote-User \
    --requestheader-group-headers=X-Remote-Group \
    --requestheader-extra-headers-prefix=X-Remote-Extra- \
    --proxy-client-cert-file="$pki/front-proxy-client.crt" \
    --proxy-client-key-file="$pki/front-proxy-client.key" \
    --service-account-issuer=https://kubernetes.default.svc.cluster.local \
    --service-account-key-file="$pki/service-account.pub" \
    --service-account-signing-key-file="$pki/service-account.key" \
    --authorization-mode=Node,RBAC \
    --enable-admission-plugins=NodeRestriction \
    --allow-privileged \
    --service-cluster-ip-range=10.96.0.0/16 \
    --audit-policy-file="$CLUSTER_D/audit-policy.yaml" \
    --audit-log-path="$audit_log" \
    --audit-log-maxsize=1000 \
    --profiling=false
}
