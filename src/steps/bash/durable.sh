# What keeps a change on its host: read by any POSIX shell (dash, bash, busybox), installed nowhere.
# QD_KEY names the step, QD_SAY stands before each line of an answer. Its own names are in capitals: no parameter is.

quarterdeck_say() { printf '%s %s\n' "$QD_SAY" "$*"; }

# Where steps have their directories: the first that can be written.
QD_B1=
case ${HOME:-} in /*) QD_B1=$HOME/.local/state/quarterdeck/steps ;; esac
QD_B2=/var/tmp/quarterdeck-$(id -u)

# Reads state, group, session and start of a process. Its name may hold anything, so what is read stands behind it.
quarterdeck_stat() {
  QD_LINE=
  read -r QD_LINE 2>/dev/null <"/proc/$1/stat" || return 1
  case $QD_LINE in *') '*) ;; *) QD_LINE=$(tr '\n' ' ' 2>/dev/null <"/proc/$1/stat") || return 1 ;; esac
  QD_SELF=${QD_LINE%% *}
  set -- ${QD_LINE##*) }
  [ "$#" -ge 20 ] || return 1
  QD_STATE=$1 QD_GROUP=$3 QD_SESSION=$4
  shift 19
  QD_START=$1
}

# A lab may say another file: nothing that comes with a login can.
quarterdeck_boot() { cat "${QUARTERDECK_LAB_BOOT_ID:-/proc/sys/kernel/random/boot_id}" 2>/dev/null; }

# Writes who this very shell is: process, start and boot, so that neither a process id used again nor a reboot is taken for it.
quarterdeck_note() {
  quarterdeck_stat self || return 1
  printf '%s %s %s\n' "$QD_SELF" "$QD_START" "$(quarterdeck_boot)" 2>/dev/null >"$QD_D/$1.new" && mv "$QD_D/$1.new" "$QD_D/$1"
}

# Whether the process that a file names is still that one, and no zombie.
quarterdeck_lives() {
  QD_PID= QD_THEN= QD_BOOT=
  read -r QD_PID QD_THEN QD_BOOT 2>/dev/null <"$1" || return 1
  [ "$QD_BOOT" = "$(quarterdeck_boot)" ] && quarterdeck_stat "$QD_PID" && [ "$QD_START" = "$QD_THEN" ] || return 1
  case $QD_STATE in Z | X) return 1 ;; esac
}

quarterdeck_rebooted() {
  QD_BOOT=
  read -r QD_PID QD_THEN QD_BOOT 2>/dev/null <"$QD_D/pid" || return 1
  [ "$QD_BOOT" != "$(quarterdeck_boot)" ]
}

# A directory of ours that nobody else can open, and no link to one.
quarterdeck_ours() {
  [ -d "$1" ] && [ ! -L "$1" ] || return 1
  set -- $(ls -ldn "$1" 2>/dev/null)
  [ "${3:-}" = "$(id -u)" ] || return 1
  case $1 in d???------*) ;; *) return 1 ;; esac
}

quarterdeck_find() {
  for QD_B in "$QD_B1" "$QD_B2"; do
    QD_D=$QD_B/$QD_KEY
    if [ -n "$QD_B" ] && quarterdeck_ours "$QD_D"; then return 0; fi
  done
  return 1
}

# Whether a place can be written, or made. Makes nothing.
quarterdeck_writable() {
  if [ -e "$1" ] || [ -L "$1" ]; then quarterdeck_ours "$1" && [ -w "$1" ]; return; fi
  QD_UP=${1%/*}
  while [ -n "$QD_UP" ] && [ ! -e "$QD_UP" ]; do QD_UP=${QD_UP%/*}; done
  [ -d "${QD_UP:-/}" ] && [ -w "${QD_UP:-/}" ]
}

# Says why nothing can be kept here, if so. Makes nothing.
quarterdeck_can() {
  if ! [ -r /proc/self/stat ] || [ -z "$(quarterdeck_boot)" ]; then
    quarterdeck_say cannot "there is no /proc to know its processes by"
    return 1
  fi
  for QD_TOOL in bash setsid sha256sum grep find head tail wc tr; do
    if ! command -v "$QD_TOOL" >/dev/null 2>&1; then
      quarterdeck_say cannot "there is no $QD_TOOL"
      return 1
    fi
  done
  for QD_B in "$QD_B1" "$QD_B2"; do
    if [ -n "$QD_B" ] && quarterdeck_writable "$QD_B"; then return 0; fi
  done
  quarterdeck_say cannot "${QD_B1:+neither $QD_B1 nor }$QD_B2${QD_B1:+} can be written"
  return 1
}

quarterdeck_probe() { if quarterdeck_can; then quarterdeck_say can; fi; }

# Directories that nobody wants any more: seven days old, and nothing of theirs runs.
quarterdeck_sweep() {
  find "$QD_B" -mindepth 1 -maxdepth 1 -type d -mtime +6 2>/dev/null | while read -r QD_OLD; do
    quarterdeck_lives "$QD_OLD/pid" || quarterdeck_lives "$QD_OLD/body" || rm -rf "$QD_OLD"
  done
}

# Begins what comes on the input, if its SHA-256 is $1: claims the directory first, so that a key begins once at most.
quarterdeck_start() {
  # First of all: when that arrives tells how far the clock here is off.
  quarterdeck_say date "$(date +%s.%N)"
  QD_UMASK=$(umask)
  umask 077
  QD_TEXT=$(cat; echo x)
  QD_TEXT=${QD_TEXT%x}
  QD_SUM=$(printf '%s' "$QD_TEXT" | sha256sum 2>/dev/null)
  if [ "${QD_SUM%% *}" != "$1" ]; then
    quarterdeck_can && quarterdeck_say cannot "what arrived is not what was sent"
    return
  fi
  if quarterdeck_find; then
    quarterdeck_status
    quarterdeck_say exists "$QD_IS"
    return
  fi
  quarterdeck_can || return
  mkdir -p "$QD_B" 2>/dev/null
  quarterdeck_sweep
  QD_D=$QD_B/$QD_KEY
  if ! mkdir "$QD_D" 2>/dev/null; then
    if [ -e "$QD_D" ]; then quarterdeck_say exists claimed; else quarterdeck_say cannot "$QD_B can't be written"; fi
    return
  fi
  # The room for the result is taken beforehand: a disk that fills up meanwhile must not hide how it ended.
  if ! { printf '%s\n%s\n' "$QD_NAME" "$1" >"$QD_D/key" && printf '%4096s\n' '' >"$QD_D/rc.new" && : >"$QD_D/out" && : >"$QD_D/err"; } 2>/dev/null; then
    rm -rf "$QD_D"
    quarterdeck_say cannot "$QD_B has no room"
    return
  fi
  # Not by `&` of this shell: what that starts ignores SIGINT for ever, and so would all that the script starts.
  umask "$QD_UMASK"
  printf '%s' "$QD_TEXT" | bash -c 'set -m; setsid sh -s <&0 & disown' >/dev/null 2>&1
  QD_TRIES=100
  while [ "$QD_TRIES" -gt 0 ] && [ ! -e "$QD_D/body" ] && [ ! -e "$QD_D/rc" ] && [ ! -e "$QD_D/no" ]; do
    sleep 0.1 2>/dev/null || sleep 1
    QD_TRIES=$((QD_TRIES - 1))
  done
  quarterdeck_status
  quarterdeck_say started "$QD_IS"
  # It never began: the key is free again.
  case $QD_IS in no\ *) rm -rf "$QD_D" ;; esac
}

# What is known of it. A pid file that is not there yet means that it is about to begin, or was cut off before.
quarterdeck_status() {
  if ! quarterdeck_find; then QD_IS=none; return; fi
  if quarterdeck_lives "$QD_D/pid" || quarterdeck_lives "$QD_D/body"; then QD_WAS=running
  elif quarterdeck_rebooted; then QD_WAS="lost the host was started again meanwhile"
  elif [ -e "$QD_D/pid" ]; then QD_WAS="lost it is gone, and nothing says how it ended"
  else QD_WAS=claimed; fi
  # Looked for last: what had just ended when its process was looked for has left its result by now.
  QD_IS=$QD_WAS
  for QD_F in over rc no; do
    [ -e "$QD_D/$QD_F" ] || continue
    QD_LINE=
    read -r QD_LINE 2>/dev/null <"$QD_D/$QD_F"
    case $QD_F in over) QD_IS="over $QD_LINE" ;; rc) QD_IS="done $QD_LINE" ;; no) QD_IS="no $QD_LINE" ;; esac
    return
  done
}

# Bytes of an output so far, and how many of them are not in its file any more.
quarterdeck_size() {
  QD_BASE=0
  if [ -e "$QD_D/$1.base" ]; then read -r QD_BASE <"$QD_D/$1.base"; fi
  QD_SIZE=$(wc -c <"$QD_D/$1" 2>/dev/null) || QD_SIZE=0
  QD_TOTAL=$((QD_BASE + QD_SIZE))
}

# A piece of an output from $2 on. Of a long one the beginning and what is new at its end: the middle is passed over.
quarterdeck_piece() {
  quarterdeck_size "$1"
  QD_FROM=$2
  if [ "$QD_FROM" -lt "$QD_HEAD" ] && [ -e "$QD_D/$1.head" ]; then
    quarterdeck_say "$1" "$QD_FROM $((QD_HEAD - QD_FROM))"
    tail -c "+$((QD_FROM + 1))" "$QD_D/$1.head"
    echo
    return
  fi
  if [ "$QD_FROM" -ge "$QD_HEAD" ] && [ $((QD_TOTAL - QD_FROM)) -gt "$QD_BEHIND" ]; then QD_FROM=$((QD_TOTAL - QD_PIECE)); fi
  if [ "$QD_FROM" -lt "$QD_BASE" ]; then QD_FROM=$QD_BASE; fi
  QD_LENGTH=$((QD_TOTAL - QD_FROM))
  QD_MOST=$QD_PIECE
  if [ "$QD_FROM" -lt "$QD_HEAD" ]; then QD_MOST=$((QD_HEAD - QD_FROM)); fi
  if [ "$QD_LENGTH" -gt "$QD_MOST" ]; then QD_LENGTH=$QD_MOST; fi
  [ "$QD_LENGTH" -gt 0 ] || return
  quarterdeck_say "$1" "$QD_FROM $QD_LENGTH"
  tail -c "+$((QD_FROM - QD_BASE + 1))" <"$QD_D/$1" | head -c "$QD_LENGTH"
  echo
}

# What is new since $2 of its output and $3 of its error output, and its state. Waits for news, about $1 seconds.
quarterdeck_poll() {
  read -r QD_NOW QD_REST </proc/uptime
  QD_UNTIL=$((${QD_NOW%%.*} + $1))
  while :; do
    quarterdeck_status
    case $QD_IS in running | claimed) ;; *) break ;; esac
    if [ "$QD_IS" = running ]; then
      quarterdeck_size out
      if [ "$QD_TOTAL" -gt "$2" ]; then break; fi
      quarterdeck_size err
      if [ "$QD_TOTAL" -gt "$3" ]; then break; fi
    fi
    read -r QD_NOW QD_REST </proc/uptime
    [ "${QD_NOW%%.*}" -lt "$QD_UNTIL" ] || break
    sleep 0.2 2>/dev/null || sleep 1
  done
  case $QD_IS in running | lost* | done*) quarterdeck_piece out "$2"; quarterdeck_piece err "$3" ;; esac
  quarterdeck_say state "$QD_IS"
}

# The environments below /proc that hold the mark of a step. A grep like that of busybox sees no further than the first zero byte.
quarterdeck_marked() {
  QD_MARK=QUARTERDECK_MARK=$QD_KEY
  if printf 'a\0b' | grep -qF b 2>/dev/null; then
    grep -slF "$QD_MARK" [0-9]*/environ
  else
    for QD_F in [0-9]*/environ; do
      if { tr '\0' '\n' <"$QD_F" | grep -qxF "$QD_MARK"; } 2>/dev/null; then echo "$QD_F"; fi
    done
  fi
}

# The processes of its scope, if it has one: all that it has begun, whatever session and environment they have by now.
quarterdeck_scoped() {
  QD_PATH=
  read -r QD_PATH 2>/dev/null <"$QD_D/scope" || return 0
  # Of no other one: what is in it is ended.
  case $QD_PATH in */quarterdeck-"$QD_KEY".scope) ;; *) return 0 ;; esac
  for QD_ROOT in /sys/fs/cgroup /sys/fs/cgroup/unified; do
    find "$QD_ROOT$QD_PATH" -name cgroup.procs -exec cat {} + 2>/dev/null
  done
}

# The processes of a step: of the body's group, session and scope, those that carry its mark, and those seen before.
quarterdeck_left() {
  QD_LEFT= QD_G=
  if quarterdeck_lives "$QD_D/body"; then QD_G=$QD_PID; fi
  QD_MARKED=" $(cd /proc && quarterdeck_marked | tr '\n' ' ')"
  QD_SCOPED=" $(quarterdeck_scoped | tr '\n' ' ')"
  for QD_F in /proc/[0-9]*; do
    QD_P=${QD_F#/proc/}
    quarterdeck_stat "$QD_P" || continue
    case $QD_STATE in Z | X) continue ;; esac
    if [ -n "$QD_G" ] && { [ "$QD_GROUP" = "$QD_G" ] || [ "$QD_SESSION" = "$QD_G" ]; }; then :; else
      case "$QD_MARKED$QD_SEEN$QD_SCOPED" in *" $QD_P/environ "* | *" $QD_P:$QD_START "* | *" $QD_P "*) ;; *) continue ;; esac
    fi
    QD_LEFT="$QD_LEFT $QD_P"
    case "$QD_SEEN" in *" $QD_P:$QD_START "*) ;; *) QD_SEEN="$QD_SEEN $QD_P:$QD_START " ;; esac
  done
}

# Ends all of it: politely, after $1 seconds for good. What survives is in QD_LEFT.
quarterdeck_end() {
  QD_SEEN=
  QD_GRACE=$1
  for QD_SIGNAL in TERM KILL; do
    quarterdeck_left
    [ -n "$QD_LEFT" ] || return 0
    # First the group: what is born between the look and the signal is in it too.
    if [ -n "$QD_G" ]; then kill "-$QD_SIGNAL" "-$QD_G" 2>/dev/null; fi
    for QD_P in $QD_LEFT; do kill "-$QD_SIGNAL" "$QD_P" 2>/dev/null; done
    read -r QD_NOW QD_REST </proc/uptime
    QD_PATIENT=$((${QD_NOW%%.*} + QD_GRACE))
    while [ "${QD_NOW%%.*}" -le "$QD_PATIENT" ]; do
      sleep 0.2 2>/dev/null || sleep 1
      quarterdeck_left
      [ -n "$QD_LEFT" ] || return 0
      read -r QD_NOW QD_REST </proc/uptime
    done
    QD_GRACE=3
  done
}

# `12 (sleep), 13 (nginx)`
quarterdeck_names() {
  QD_NAMES=
  for QD_P in $QD_LEFT; do QD_NAMES="$QD_NAMES${QD_NAMES:+, }$QD_P ($(tr -d '\n' 2>/dev/null <"/proc/$QD_P/comm"))"; done
}

# Ends a step of which something runs, and says what became of it and what is left.
quarterdeck_cancel() {
  quarterdeck_status
  case $QD_IS in
    running | claimed | lost*)
      # What has not begun by now must not begin any more.
      : 2>/dev/null >"$QD_D/cancel"
      QD_LEFT=
      if ! quarterdeck_rebooted; then quarterdeck_end "$1"; fi
      quarterdeck_names
      QD_TRIES=25
      while [ "$QD_TRIES" -gt 0 ] && [ ! -e "$QD_D/rc" ] && quarterdeck_lives "$QD_D/pid" && [ -z "$QD_LEFT" ]; do
        sleep 0.2 2>/dev/null || sleep 1
        QD_TRIES=$((QD_TRIES - 1))
      done
      quarterdeck_status
      # It began between the two looks.
      if [ "$QD_IS" = running ] && [ -z "$QD_NAMES" ]; then
        quarterdeck_end "$1"
        quarterdeck_names
        quarterdeck_status
      fi
      ;;
    *) QD_NAMES= ;;
  esac
  quarterdeck_say left "$QD_NAMES"
  quarterdeck_say state "$QD_IS"
}

# The result is known elsewhere by now: what is kept of it is that it was ("keep"), or nothing, so that the key is free again.
quarterdeck_forget() {
  quarterdeck_status
  case $QD_IS in
    done*)
      if [ "$1" = keep ] && mv "$QD_D/rc" "$QD_D/over"; then
        for QD_F in "$QD_D"/*; do case $QD_F in */over | */key) ;; *) rm -rf "$QD_F" ;; esac; done
      else rm -rf "$QD_D"; fi
      ;;
    no*) rm -rf "$QD_D" ;;
  esac
  quarterdeck_status
  quarterdeck_say state "$QD_IS"
}

# Here begins what the script's own keeper does.

quarterdeck_no() {
  printf '%s\n' "$*" 2>/dev/null >"$QD_D/no.new"
  mv "$QD_D/no.new" "$QD_D/no"
  exit 1
}

quarterdeck_begin() {
  QD_UMASK=$(umask)
  umask 077
  quarterdeck_find || exit 1
  quarterdeck_note pid || quarterdeck_no "$QD_B has no room"
  if [ -e "$QD_D/cancel" ]; then quarterdeck_no "it was cancelled before it began"; fi
}

# Whether systemd can hold together all that the body begins. The system's own alone: a user's ends with their last login, and the step must not. It
# is tried first with all that the body needs, its place among them, so that where it does not go everything is as without it. A lab may say
# another folder, as above.
quarterdeck_scope() {
  QD_SCOPE=
  [ "$(id -u)" = 0 ] && [ -d "${QUARTERDECK_LAB_SYSTEMD:-/run/systemd/system}" ] || return 0
  for QD_TOOL in systemd-run timeout sed; do command -v "$QD_TOOL" >/dev/null 2>&1 || return 0; done
  QD_TRIED=$(
    export QD_TRIED="$QD_NAME"
    timeout 5 systemd-run --scope --quiet --collect --no-ask-password "--unit=quarterdeck-try-$QD_KEY" -- \
      sh -c 'read -r QD_LINE <&9 && [ "$QD_LINE" = "$QD_TRIED" ] && sed -n s/^0:://p /proc/self/cgroup' 9<"$QD_D/key" 2>/dev/null </dev/null
  )
  case $QD_TRIED in */quarterdeck-try-"$QD_KEY".scope) QD_SCOPE=yes ;; esac
}

# Becomes the body, in a scope where that is possible. What is written from inside of it, before anything of the body, tells that it began.
quarterdeck_body() {
  if [ -n "$QD_SCOPE" ]; then
    exec systemd-run --scope --quiet --collect --no-ask-password "--unit=quarterdeck-$QD_KEY" -- \
      sh -c 'sed -n s/^0:://p /proc/self/cgroup >"$1/scope" && shift && exec "$@"' sh "$QD_D" setsid bash /dev/fd/9
  fi
  exec setsid bash /dev/fd/9
}

# Of an output that is too long the file is begun anew: its beginning is kept beside it.
quarterdeck_bound() {
  quarterdeck_size "$1"
  [ "$QD_SIZE" -gt "$QD_MOST_KEPT" ] || return 0
  if [ ! -e "$QD_D/$1.head" ]; then head -c "$QD_HEAD" <"$QD_D/$1" 2>/dev/null >"$QD_D/$1.head"; fi
  echo "$QD_TOTAL" 2>/dev/null >"$QD_D/$1.base.new" && mv "$QD_D/$1.base.new" "$QD_D/$1.base" && : >"$QD_D/$1"
}

quarterdeck_sum() {
  quarterdeck_size "$1"
  QD_SUM=-
  if [ "$QD_BASE" = 0 ]; then QD_SUM=$(sha256sum <"$QD_D/$1"); fi
  printf '%s %s' "$QD_TOTAL" "${QD_SUM%% *}"
}

# Writes how it ended, into the room that was taken for that.
quarterdeck_result() {
  [ ! -e "$QD_D/rc" ] || return 0
  printf '%s\n' "$1 $2 $(quarterdeck_sum out) $(quarterdeck_sum err) $3" 1<>"$QD_D/rc.new"
  sync "$QD_D/rc.new" "$QD_D/out" "$QD_D/err" 2>/dev/null
  mv "$QD_D/rc.new" "$QD_D/rc"
}

# Ends it when its time is over. By the time since the boot: a clock that is set must not end it.
quarterdeck_clock() {
  read -r QD_NOW QD_REST </proc/uptime
  QD_UNTIL=$((${QD_NOW%%.*} + QD_LIMIT))
  while [ "${QD_NOW%%.*}" -lt "$QD_UNTIL" ]; do
    sleep 1
    quarterdeck_bound out
    quarterdeck_bound err
    read -r QD_NOW QD_REST </proc/uptime
  done
  : >"$QD_D/ending"
  quarterdeck_end "$QD_LATE_GRACE"
  quarterdeck_names
  printf '%s\n' "$QD_NAMES" >"$QD_D/late.new"
  mv "$QD_D/late.new" "$QD_D/late"
  # Who waits for a body that nothing ends would wait for ever.
  if quarterdeck_lives "$QD_D/body"; then quarterdeck_result late - "$QD_NAMES"; fi
}

# The body has ended with $1: writes that, as it is, whatever ended it.
quarterdeck_over() {
  if [ -e "$QD_D/ending" ]; then wait "$QD_CLOCK"; else kill "$QD_CLOCK"; fi 2>/dev/null
  if [ ! -e "$QD_D/body" ] || { [ -n "$QD_SCOPE" ] && [ ! -e "$QD_D/scope" ]; }; then quarterdeck_no "$(head -c 200 "$QD_D/err" | tr '\n' ' ')"; fi
  QD_HOW=ended QD_NAMES=
  if [ -e "$QD_D/late" ]; then
    QD_HOW=late
    read -r QD_NAMES <"$QD_D/late"
  elif [ -e "$QD_D/cancel" ]; then QD_HOW=cancelled; fi
  quarterdeck_result "$QD_HOW" "$1" "$QD_NAMES"
}
