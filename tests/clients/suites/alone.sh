# Run a command where there is only loopback, and 240.0.0.0/4, which swallows what is sent to it:
# suites use it as the host that never answers. Called by run.py in a namespace of `unshare --net`.
set -e
ip link set lo up
ip link add hole type veth peer name bottom || ip tuntap add hole mode tun
ip link set bottom up || true
ip link set hole up arp off
ip addr add 198.51.100.1/32 dev hole
ip route add 240.0.0.0/4 dev hole src 198.51.100.1
exec "$@"
