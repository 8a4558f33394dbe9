# shellcheck shell=bash
# Keys, certificates and kubeconfigs, for the cluster and for the API server alone.
#
# The certificate is moved into place last: if it exists, the pair is complete.

# make_ca DIR NAME
make_ca() {
  local dir=$1 name=$2
  make_pair "$dir" "$name" "/CN=fio-$name" 'basicConstraints=critical,CA:TRUE
    keyUsage=critical,keyCertSign,cRLSign,digitalSignature'
}

# make_cert DIR CA NAME SUBJECT [SUBJECT_ALT_NAMES]
make_cert() {
  local dir=$1 ca=$2 name=$3 subject=$4 names=${5:-}
  make_pair "$dir" "$name" "$subject" "basicConstraints=critical,CA:FALSE
    keyUsage=critical,digitalSignature
    extendedKeyUsage=clientAuth,serverAuth
    ${names:+subjectAltName=$names}" \
    -CA "$dir/$ca.crt" -CAkey "$dir/$ca.key"
}

# make_pair DIR NAME SUBJECT EXTENSIONS [OPTION...]
make_pair() {
  local dir=$1 name=$2 subject=$3 extensions=$4 errors
  shift 4
  [[ ! -e $dir/$name.crt ]] || return 0
  mkdir -p "$dir"
  errors=$(
    umask 077
    openssl req -x509 -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
      -config <(printf '[req]\ndistinguished_name=dn\n[dn]\n[ext]\n%s\n' "$extensions") \
      -extensions ext -days 3650 -subj "$subject" "$@" \
      -keyout "$dir/$name.key" -out "$dir/$name.crt.tmp" 2>&1
  ) || die "openssl cannot create the certificate $name: $errors"
  mv "$dir/$name.crt.tmp" "$dir/$name.crt"
}

# make_signing_key DIR NAME: for ServiceAccount tokens; NAME.key and NAME.pub.
make_signing_key() {
  local dir=$1 name=$2
  [[ ! -e $dir/$name.pub ]] || return 0
  mkdir -p "$dir"
  (umask 077 && openssl ecparam -name prime256v1 -genkey -noout -out "$dir/$name.key")
  openssl ec -in "$dir/$name.key" -pubout -out "$dir/$name.pub.tmp" 2>/dev/null
  mv "$dir/$name.pub.tmp" "$dir/$name.pub"
}

# write_kubeconfig FILE SERVER DIR NAME: for the user of certificate NAME.
write_kubeconfig() {
  local file=$1 server=$2 dir=$3 name=$4
  (umask 077 && cat >"$file.tmp") <<EOF
apiVersion: v1
kind: Config
clusters:
  - name: fio
    cluster:
      server: $server
      certificate-authority-data: $(base64 -w0 <"$dir/ca.crt")
users:
  - name: $name
    user:
      client-certificate-data: $(base64 -w0 <"$dir/$name.crt")
      client-key-data: $(base64 -w0 <"$dir/$name.key")
contexts:
  - name: fio
    context: {cluster: fio, user: $name}
current-context: fio
EOF
  mv "$file.tmp" "$file"
}
