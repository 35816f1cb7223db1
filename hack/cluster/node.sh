#!/usr/bin/env bash
# The node's first process; up.sh starts it in fresh namespaces. It prepares the
# network and the file system, runs every component, and ends when one does that
# component.sh has not stopped.
set -euo pipefail
. "$(dirname "$0")/env.sh"
S=$KUBE_STATE NODE=node
trap 'echo "node.sh: line $LINENO failed" >&2' ERR

hostname "$NODE"

# --- file system: private copies of the well-known places ---------------------
mount --make-rshared /   # kubelet and containerd pass mounts on to containers
mount -t tmpfs tmpfs /run
for d in /var/lib/{kubelet,containerd,cni} /var/log/{pods,containers} /etc/{cni,kubernetes}; do
  mkdir -p "$S/root$d" "$d"
  mount --bind "$S/root$d" "$d"
done
# Names resolve here as they do in a pod, so that tests can run on the node.
printf 'nameserver %s\nsearch svc.cluster.local cluster.local\noptions ndots:5\n' "$NODE_IP" >"$S/resolv.conf"
mount --bind "$S/resolv.conf" "$(readlink -f /etc/resolv.conf)"
# kubelet sets these kernel-wide; let it set a copy instead.
mkdir -p /run/sysctl
for f in vm/{overcommit_memory,panic_on_oom} kernel/{panic,panic_on_oops} kernel/keys/{root_maxkeys,root_maxbytes}; do
  cp "/proc/sys/$f" "/run/sysctl/${f//\//.}"
  mount --bind "/run/sysctl/${f//\//.}" "/proc/sys/$f"
done

# --- network: a node address on a link that leads nowhere, and a Pod bridge ---
ip link set lo up
ip link add node0 type veth peer name node1
ip addr add "$NODE_IP/24" dev node0
ip link set node0 up; ip link set node1 up
ip route add default dev node0
sysctl -qw net.ipv4.ip_forward=1
mkdir -p /etc/cni/net.d
cat >/etc/cni/net.d/10-bridge.conflist <<J
{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true, "ipMasq": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "$POD_CIDR"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
J

# --- identities: one certificate authority, one server, a token a client ------
P=/etc/kubernetes
openssl ecparam -name prime256v1 -genkey -noout -out $P/ca.key
openssl req -x509 -new -key $P/ca.key -days 3650 -subj /CN=kubernetes -out $P/ca.crt
openssl ecparam -name prime256v1 -genkey -noout -out $P/server.key
openssl req -new -key $P/server.key -subj /O=system:masters/CN=kube-apiserver |
  openssl x509 -req -CA $P/ca.crt -CAkey $P/ca.key -CAcreateserial -days 3650 -out $P/server.crt 2>/dev/null \
    -extfile <(echo "subjectAltName=DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,IP:127.0.0.1,IP:$NODE_IP,IP:$API_SERVICE_IP
extendedKeyUsage=serverAuth,clientAuth")
openssl genrsa -out $P/sa.key 2048 2>/dev/null
identity() { # NAME USER [GROUP]: a token for the API server and a kubeconfig for the client
  local token; token=$(openssl rand -hex 16)
  echo "$token,$2,$1${3:+,$3}" >>$P/tokens.csv
  cat >"$P/$1.conf" <<Y
apiVersion: v1
kind: Config
clusters: [{name: local, cluster: {server: "https://127.0.0.1:6443", certificate-authority-data: $(base64 -w0 $P/ca.crt)}}]
users: [{name: $1, user: {token: $token}}]
contexts: [{name: local, context: {cluster: local, user: $1}}]
current-context: local
Y
}
identity admin admin system:masters
identity kube-controller-manager system:kube-controller-manager
identity kube-scheduler system:kube-scheduler
identity kube-proxy system:kube-proxy
identity kubelet system:node:$NODE system:nodes
cp $P/admin.conf "$S/admin.conf"

cat >$P/kubelet.yaml <<Y
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false     # the host's controllers are mounted as version 1
cgroupDriver: cgroupfs
cgroupRoot: $KUBE_CGROUP
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $P/ca.crt}}
authorization: {mode: Webhook}
clusterDNS: ["$NODE_IP"]
clusterDomain: cluster.local
resolvConf: /etc/resolv.conf
failSwapOn: false
imageGCHighThresholdPercent: 100   # images come from files: never remove one
evictionHard: {memory.available: 100Mi, nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%"}
Y
cat >/run/containerd.toml <<T
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.k8s.io/pause:3.10"
  restrict_oom_score_adj = true   # for a root without CAP_SYS_RESOURCE
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
T

# --- control group of all pods; version 1 wants CPUs and memory nodes set -------
for controllers in /sys/fs/cgroup /sys/fs/cgroup/*/; do
  mkdir -p "$controllers$KUBE_CGROUP" 2>/dev/null || continue
  for f in cpuset.cpus cpuset.mems; do
    [[ ! -w $controllers$KUBE_CGROUP/$f ]] || cat "$controllers/$f" >"$controllers$KUBE_CGROUP/$f" || true
  done
done

# --- components ---------------------------------------------------------------
mkdir -p "$S/pids" "$S/stopped"
supervise() { # COMMAND...: runs it again each time that component.sh has ended it
  local name=$1
  while :; do
    "$@" >>"$S/log/$name.log" 2>&1 &
    echo $! >"$S/pids/$name"
    wait $! || true
    [[ -e $S/stopped/$name ]] || { echo "$name ended by itself" >&2; return 1; }
    rm "$S/pids/$name"
    while [[ -e $S/stopped/$name ]]; do sleep 0.1; done
  done
}
run() { supervise "$@" & }
wait_for() { for _ in $(seq 600); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done; echo "timed out: $*" >&2; return 1; }
kubectl() { KUBECONFIG=$P/admin.conf command kubectl "$@"; }

run containerd --config /run/containerd.toml
run etcd --data-dir "$S/etcd" --unsafe-no-fsync --log-level warn
run kube-apiserver --etcd-servers=http://127.0.0.1:2379 --advertise-address=$NODE_IP \
  --service-cluster-ip-range=$SERVICE_CIDR --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
  --allow-privileged --kubelet-preferred-address-types=InternalIP --token-auth-file=$P/tokens.csv --client-ca-file=$P/ca.crt \
  --tls-cert-file=$P/server.crt --tls-private-key-file=$P/server.key \
  --kubelet-client-certificate=$P/server.crt --kubelet-client-key=$P/server.key \
  --service-account-issuer=https://kubernetes.default.svc.cluster.local \
  --service-account-key-file=$P/sa.key --service-account-signing-key-file=$P/sa.key
wait_for ctr version
for image in "$KUBE_CACHE"/images/*.tar; do ctr -n k8s.io images import "$image"; done
wait_for kubectl get --raw /readyz
run kube-controller-manager --kubeconfig=$P/kube-controller-manager.conf --leader-elect=false \
  --use-service-account-credentials --service-account-private-key-file=$P/sa.key --root-ca-file=$P/ca.crt \
  --cluster-signing-cert-file=$P/ca.crt --cluster-signing-key-file=$P/ca.key
run kube-scheduler --kubeconfig=$P/kube-scheduler.conf --leader-elect=false
run kube-proxy --kubeconfig=$P/kube-proxy.conf --hostname-override=$NODE --proxy-mode=nftables \
  --cluster-cidr=$POD_CIDR --conntrack-max-per-core=0
run kubelet --config=$P/kubelet.yaml --kubeconfig=$P/kubelet.conf --hostname-override=$NODE --node-ip=$NODE_IP
run cluster-dns $P/admin.conf $NODE_IP
run storage-provisioner $P/admin.conf /var/lib/kubelet/volumes
kubectl apply -f - <<Y
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: local, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: kubecluster/local
volumeBindingMode: WaitForFirstConsumer
Y
wait_for kubectl wait --for=condition=Ready --timeout=1s node/$NODE
wait_for kubectl get serviceaccount default
touch "$S/ready"

wait -n
echo "a component ended; see the logs" >&2
