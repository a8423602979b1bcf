qd() {
PATH="$PATH:/usr/bin:/bin:/usr/sbin:/sbin" LC_ALL=C
export PATH LC_ALL
at() { echo "@@ $1"; }
one() { at "$1"; read -r line <"$2" && echo "$line"; }
at date; date +%s.%N
at uname; uname -snrm
at from; echo "$SSH_CONNECTION"
one boot /proc/sys/kernel/random/boot_id
one uptime /proc/uptime
one load /proc/loadavg
one pressure-cpu /proc/pressure/cpu
one pressure-memory /proc/pressure/memory
one pressure-io /proc/pressure/io
at cpus; grep -c '^cpu[0-9]' /proc/stat
at counts; grep -hE '^(cpu |oom_kill |Mem(Total|Free|Available):|Buffers:|Cached:|SReclaimable:|Swap(Total|Free):)' /proc/stat /proc/meminfo /proc/vmstat
at net; grep -Ev '^ *(lo|veth|docker|br-|virbr|cni|flannel|cali|tap|tun|wg|vnet|vxlan|lxc|ifb|dummy|bond|kube)' /proc/net/dev
at disks; grep -Ev '[0-9] (loop|ram|zram|dm-|md|sr|fd)[0-9]' /proc/diskstats
at mounts; grep -E '^/dev/|^[^ ]+ [^ ]+ (zfs|nfs4?|cifs|ceph|virtiofs|9p|fuse\.[^ ]+) ' /proc/mounts | grep -v '^/dev/loop' | sed 's/^\([^ ]* [^ ]* [^ ]* r[ow]\).*/\1/'
[ "$1" = df ] || { at end; return; }
timeout -s KILL 1 true && limit='timeout -s KILL 2'
rows() { grep -Ev '^(overlay|tmpfs|devtmpfs|udev|shm|none|squashfs|efivarfs|/dev/loop[0-9]*) .* /.+$'; }
at df; { $limit df -P -k; echo "@@ df-status $?"; } | rows
at inodes; { $limit df -P -i; echo "@@ inodes-status $?"; } | rows
at end
}
qd "$1" </dev/null 2>/dev/null
