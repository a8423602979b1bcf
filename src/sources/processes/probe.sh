qd() {
PATH="$PATH:/usr/bin:/bin:/usr/sbin:/sbin" LC_ALL=C
export PATH LC_ALL
most=$1 longest=$2
read -r uptime </proc/uptime || return
echo "@@ uptime $uptime"
read -r boot </proc/sys/kernel/random/boot_id && echo "@@ boot $boot"
set -- /proc/[0-9]*
echo "@@ total $#"
[ $# -le "$most" ] || shift $(($# - most))
pids=$*
in_each() { for pid in $pids; do echo "$pid/$1"; done; }
echo '@@ stat'
cat $(in_each stat) | sed 's/\() [A-Za-z]\( [0-9-]*\)\{19\}\).*/\1/'
echo '@@ users-and-memory'
grep -HE '^(Uid|VmRSS):' $(in_each status) | sed 's|^/proc/||'
echo '@@ names-of-users'
head -n 1000 /etc/passwd | cut -d: -f1-3
timeout -s KILL 1 true && limit='timeout -s KILL 3'
echo '@@ command-lines'
$limit head -c "$longest" $(in_each cmdline) /dev/null
echo "@@ status-of-command-lines $?"
}
qd "$1" "$2" </dev/null 2>/dev/null
