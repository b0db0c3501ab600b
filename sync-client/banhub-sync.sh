#!/bin/sh
# Banhub sync client for hosts without Node: pulls the blocklist once, compares it with what the kernel holds, enforces the
# difference. POSIX sh with curl, awk, flock (util-linux) and iproute2 or nftables. It owns the same routes and the same nft
# table as the Node client, so that one can take the other's place. "banhub-sync.sh --help" says the rest.
set -u
umask 077
LC_ALL=C
# cron's has no sbin folders, where ip and nft are.
PATH=${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH

ROUTE_PROTO=166
ROUTE_METRIC=4242
NFT_TABLE='inet banhub'
# A network wider than this in a list means that the list is no list of ours.
WIDEST4=8
WIDEST6=16

print_help() {
  cat << 'HELP'
banhub-sync.sh [--config FILE] [--accept] [once | status | flush]

  once     pull the list and enforce it; the default
  status   which list was taken last, and what the kernel holds
  flush    remove everything that this client, or the Node client, set with routes and nftables
  --accept take a list that the guards against a shrunken or swollen list refuse

Settings, as lines NAME=VALUE in FILE, by default /etc/banhub/sync.conf, or from the environment, which wins:
  BANHUB_URL              such as https://hub.example.net
  BANHUB_TOKEN            a token with the scope pull; or BANHUB_TOKEN_FILE, a file that holds it
  BANHUB_ENFORCE          nftables, route, or both with a comma between
  BANHUB_KEEP             addresses and networks that are never blocked here, comma-separated
  BANHUB_STATE_DIR        /var/lib/banhub
  BANHUB_CA_FILE          PEM file with the certificate authority of the hub's certificate
  BANHUB_CONNECT_TIMEOUT  5 seconds
  BANHUB_TIMEOUT          30 seconds for the whole answer
  BANHUB_MAX_ENTRIES      500000: a longer list is refused
  BANHUB_MAX_SHRINK       50: a list that loses more than this percentage is refused ...
  BANHUB_FREE_SHRINK      100: ... but so many entries may always go
  BANHUB_MAX_GROWTH       1000: a list that grows by more than this percentage is refused ...
  BANHUB_FREE_GROWTH      50000: ... but so many entries may always come
Further settings of the Node client are passed over.

In /etc/cron.d/banhub:
  * * * * * root /usr/local/sbin/banhub-sync.sh > /dev/null

Exit status: 0 enforced as the list says; 1 trouble, what was enforced stays; 2 wrong usage or settings.
HELP
}

main() {
  config=''
  command=once
  accept=
  while [ $# -gt 0 ]; do
    case $1 in
      --config) [ $# -gt 1 ] || misuse '--config needs a file'; config=$2; shift ;;
      --accept) accept=yes ;;
      -h | --help) print_help; exit 0 ;;
      once | status | flush) command=$1 ;;
      *) misuse "unknown argument: $1" ;;
    esac
    shift
  done
  read_config
  need curl awk flock
  for enforcer in $enforcers; do
    case $enforcer in route) need ip ;; nftables) need ip nft ;; esac
  done
  mkdir -p "$state_dir" || fail "cannot create $state_dir"
  "$command"
}

# --- settings ---

read_config() {
  url=''
  token=''
  token_file=''
  enforcers=''
  keep=''
  state_dir=/var/lib/banhub
  ca_file=''
  connect_timeout=5
  timeout=30
  max_entries=500000
  max_shrink=50
  free_shrink=100
  max_growth=1000
  free_growth=50000
  while read -r name value; do
    [ -z "$value" ] || take_setting "$name" "$value"
  done << SETTINGS
$(settings_in_file && settings_in_environment)
SETTINGS
  if [ -z "$token" ] && [ -n "$token_file" ]; then
    [ -r "$token_file" ] || misuse "BANHUB_TOKEN_FILE: cannot read $token_file"
    token=$(tr -d ' \t\r\n' < "$token_file")
  fi
  check_config
}

# Lines "NAME VALUE". The file is read, never run: what stands in a value stays text.
settings_in_file() {
  if [ -z "$config" ] && [ ! -e /etc/banhub/sync.conf ]; then return; fi
  awk -v quote="'" '
    { gsub(/\r/, ""); sub(/^[ \t]*(export[ \t]+)?/, "") }
    !/^[A-Za-z_][A-Za-z0-9_]*[ \t]*=/ { next }
    {
      name = $0; sub(/[ \t]*=.*/, "", name)
      value = $0; sub(/^[^=]*=[ \t]*/, "", value)
      first = substr(value, 1, 1)
      end = first == "\"" || first == quote ? index(substr(value, 2), first) : 0
      if (end) value = substr(value, 2, end - 1)
      else { sub(/[ \t]*#.*/, "", value); sub(/[ \t]+$/, "", value) }
      print name, value
    }' "${config:-/etc/banhub/sync.conf}" 2> /dev/null || echo 'unreadable yes'
}

settings_in_environment() {
  for name in URL TOKEN TOKEN_FILE ENFORCE KEEP STATE_DIR CA_FILE CONNECT_TIMEOUT TIMEOUT MAX_ENTRIES MAX_SHRINK \
    FREE_SHRINK MAX_GROWTH FREE_GROWTH; do
    eval "printf '%s %s\n' BANHUB_$name \"\${BANHUB_$name:-}\""
  done
}

take_setting() {
  case $1 in
    BANHUB_URL) url=${2%/} ;;
    BANHUB_TOKEN) token=$2 ;;
    BANHUB_TOKEN_FILE) token_file=$2 ;;
    BANHUB_ENFORCE) enforcers=$(printf '%s' "$2" | tr , ' ') ;;
    BANHUB_KEEP) keep=$2 ;;
    BANHUB_STATE_DIR) state_dir=$2 ;;
    BANHUB_CA_FILE) ca_file=$2 ;;
    BANHUB_CONNECT_TIMEOUT) connect_timeout=$(whole "$1" "$2") || exit 2 ;;
    BANHUB_TIMEOUT) timeout=$(whole "$1" "$2") || exit 2 ;;
    BANHUB_MAX_ENTRIES) max_entries=$(whole "$1" "$2") || exit 2 ;;
    BANHUB_MAX_SHRINK) max_shrink=$(whole "$1" "$2") || exit 2 ;;
    BANHUB_FREE_SHRINK) free_shrink=$(whole "$1" "$2") || exit 2 ;;
    BANHUB_MAX_GROWTH) max_growth=$(whole "$1" "$2") || exit 2 ;;
    BANHUB_FREE_GROWTH) free_growth=$(whole "$1" "$2") || exit 2 ;;
    unreadable) misuse "cannot read the settings in ${config:-/etc/banhub/sync.conf}" ;;
  esac
}

whole() {
  is_number "$2" || misuse "$1: must be a whole number"
  echo "$2"
}

check_config() {
  # These go into a configuration that curl reads, where a quote or a backslash would begin something else.
  case $url in http://?* | https://?*) ;; *) misuse 'BANHUB_URL: must begin with https:// or http://' ;; esac
  case $url in *[!]A-Za-z0-9.:/_~%[-]*) misuse 'BANHUB_URL: has a character that no URL of a hub has' ;; esac
  case $token in '') misuse 'BANHUB_TOKEN: is not set, nor is BANHUB_TOKEN_FILE' ;; esac
  case $token in *[!!-~]* | *[\"\\]*) misuse 'BANHUB_TOKEN: has a character that no token has' ;; esac
  case $ca_file in *[\"\\]*) misuse 'BANHUB_CA_FILE: has a character that this client cannot pass on' ;; esac
  [ -n "$enforcers" ] || misuse 'BANHUB_ENFORCE: is not set'
  for enforcer in $enforcers; do
    case $enforcer in route | nftables) ;; *) misuse "BANHUB_ENFORCE: this client knows route and nftables, not $enforcer" ;; esac
  done
  case $state_dir in /*) ;; *) misuse 'BANHUB_STATE_DIR: must be an absolute path' ;; esac
  kept_here | awk "$ADDRESS_AWK"'$0 != "" && !parse($0) { exit 1 }' ||
    misuse 'BANHUB_KEEP: has an entry that is no address or network (the bits behind a prefix must be 0)'
}

kept_here() {
  printf '%s\n' "$keep" | tr , '\n' | tr ' ' '\n'
}

# --- one round ---

once() {
  begin
  trouble=''
  # In a process of its own, which fail ends; a host that starts while the hub is away takes the last list again.
  if ! (pull); then
    trouble=yes
    last_list || exit 1
  fi
  read -r _ revision _ < "$state_dir/sh.meta" || fail "cannot read $state_dir/sh.meta"
  find_protected > "$work/protected" || fail 'cannot tell which addresses must stay reachable'
  leave_out_protected > "$work/target" || fail 'cannot work out what to block'
  for enforcer in $enforcers; do
    "enforce_$enforcer" || trouble=yes
  done
  [ -z "$trouble" ] || exit 1
  date -u +%Y-%m-%dT%H:%M:%SZ > "$state_dir/sh.enforced"
}

# Leaves the hub's list, complete and verified, in $state_dir/sh.list and, parsed, in $work/list.
pull() {
  etag=''
  # Another hub's ETag means nothing; a list that was damaged meanwhile must be pulled again.
  if last_list; then
    read -r _ _ last_url etag < "$state_dir/sh.meta"
    [ "$last_url" = "$url" ] || etag=''
  fi
  answer=$(request | curl -q -sS -K - 2> "$work/curl") || fail "$(head -n 1 "$work/curl")"
  case ${answer%% *} in
    200) take_list ;;
    304) [ -n "$etag" ] || fail 'the hub answered 304 to a request that had no condition' ;;
    *) fail "the hub answered ${answer%% *}" ;;
  esac
  printf '%s\n' "${answer#* }" > "$state_dir/sh.hub"
}

# Leaves the list that was taken last, parsed, in $work/list; false when there is none, or it was damaged.
last_list() {
  [ -f "$state_dir/sh.meta" ] && parse_list "$state_dir/sh.list" > "$work/list" 2> /dev/null || return 1
  read -r last_count _ < "$state_dir/sh.meta"
  [ "$(count_lines "$work/list")" = "$last_count" ]
}

# The curl configuration, on standard input, so that the token shows in no list of processes.
request() {
  printf 'url = "%s/blocklist.txt"\nheader = "Authorization: Bearer %s"\n' "$url" "$token"
  printf 'header = "Accept-Encoding: identity"\nuser-agent = "banhub-sync.sh"\ngloboff\n'
  [ -z "$etag" ] || printf 'header = "If-None-Match: %s"\n' "$(printf %s "$etag" | sed 's/"/\\"/g')"
  [ -z "$ca_file" ] || printf 'cacert = "%s"\n' "$ca_file"
  printf 'connect-timeout = %s\nmax-time = %s\nmax-filesize = 200000000\n' "$connect_timeout" "$timeout"
  printf 'output = "%s"\ndump-header = "%s"\n' "$work/body" "$work/head"
  printf 'write-out = "%%{http_code} %%{remote_ip}"\n'
}

take_list() {
  revision=$(header banhub-revision)
  count=$(header banhub-count)
  digest=$(header repr-digest | sed -n 's/.*sha-256=:\([A-Za-z0-9+/=]*\):.*/\1/p')
  if ! is_number "$revision" || ! is_number "$count" || [ -z "$digest" ]; then fail 'the answer is no list of a Banhub hub'; fi
  [ -f "$work/body" ] || : > "$work/body"
  check_digest
  parse_list "$work/body" > "$work/list" 2> "$work/why" || fail "$(head -n 1 "$work/why")"
  lines=$(count_lines "$work/list")
  [ "$lines" -eq "$count" ] || fail "the list has $lines entries where the hub counted $count"
  check_change
  new_etag=$(header etag)
  printf '%s\n' "$new_etag" | grep -q '^\(W/\)\{0,1\}"[A-Za-z0-9+/=._:-]*"$' || new_etag=
  # The condition goes first: a list without one is only pulled again.
  rm -f "$state_dir/sh.meta"
  printf '%s %s %s %s\n' "$count" "$revision" "$url" "$new_etag" > "$work/meta" || fail "cannot write to $state_dir"
  mv "$work/body" "$state_dir/sh.list" || fail "cannot write to $state_dir"
  mv "$work/meta" "$state_dir/sh.meta" || fail "cannot write to $state_dir"
}

# RFC 9530, over the bytes as they came. Hosts without any of the tools rely on the count and on curl's length check.
check_digest() {
  if command -v sha256sum > /dev/null && command -v base64 > /dev/null; then
    have=$(sha256sum < "$work/body"); have=${have%% *}
    want=$(printf %s "$digest" | base64 -d 2> /dev/null | od -An -v -tx1 | tr -d ' \n')
  elif command -v openssl > /dev/null; then
    have=$(openssl dgst -sha256 -binary "$work/body" | openssl base64)
    want=$digest
  else
    return
  fi
  [ "$have" = "$want" ] || fail 'the list does not match its digest'
}

# A list that lost half of itself in a minute is rather a fault of the hub than good news.
check_change() {
  [ "$lines" -le "$max_entries" ] || fail "the list has $lines entries, more than BANHUB_MAX_ENTRIES=$max_entries"
  [ -z "$accept" ] && [ -s "$state_dir/sh.list" ] || return 0
  # shellcheck disable=SC2046 # three numbers
  set -- $(awk 'FILENAME == ARGV[1] { old[$0]; before++; next } $0 in old { same++; next } { added++ }
    END { print before + 0, before - same, added + 0 }' "$state_dir/sh.list" "$work/body")
  if [ "$2" -gt "$free_shrink" ] && [ $(($2 * 100)) -gt $(($1 * max_shrink)) ]; then
    fail "refused: $2 of $1 entries would go, more than BANHUB_MAX_SHRINK=$max_shrink percent; --accept takes the list"
  fi
  if [ "$3" -gt "$free_growth" ] && [ $(($3 * 100)) -gt $(($1 * max_growth)) ]; then
    fail "refused: $3 entries would come to $1, more than BANHUB_MAX_GROWTH=$max_growth percent; --accept takes the list"
  fi
}

# The last value of a header, of the last answer in the file.
header() {
  awk -v name="$1:" '/^HTTP\// { value = "" } tolower($1) == name { value = $0; sub(/^[^:]*:[ \t]*/, "", value) }
    END { sub(/[ \t\r]+$/, "", value); print value }' "$work/head"
}

# --- addresses ---

# Addresses as text of fixed width: the family, then 8 or 32 hexadecimal digits; a network also has its prefix.
# parse() sets key, prefix and width, and is false for all that is not a plain address or network with clear host bits.
ADDRESS_AWK='
function parse(text,   slash, digits) {
  slash = index(text, "/")
  digits = ""
  if (slash) { digits = substr(text, slash + 1); text = substr(text, 1, slash - 1) }
  if (slash && digits !~ /^(0|[1-9][0-9]?[0-9]?)$/) return 0
  key = index(text, ":") ? parse6(text) : parse4(text)
  if (key == "") return 0
  width = length(key) == 9 ? 32 : 128
  prefix = slash ? digits + 0 : width
  return prefix <= width && network(key, prefix) == key
}
function parse4(text,   part, i) {
  if (split(text, part, ".") != 4) return ""
  for (i = 1; i <= 4; i++) if (part[i] !~ /^(0|[1-9][0-9]?[0-9]?)$/ || part[i] > 255) return ""
  return sprintf("4%02x%02x%02x%02x", part[1], part[2], part[3], part[4])
}
function parse6(text,   gap, left, right, head, tail, quad) {
  text = tolower(text)
  if (index(text, ".")) {
    match(text, /[^:]*$/)
    quad = parse4(substr(text, RSTART))
    if (quad == "") return ""
    text = substr(text, 1, RSTART - 1) substr(quad, 2, 4) ":" substr(quad, 6)
  }
  if (text !~ /^[0-9a-f:]+$/) return ""
  gap = index(text, "::")
  if (!gap) {
    left = groups(text)
    return left == "x" || count != 8 ? "" : "6" left
  }
  left = groups(substr(text, 1, gap - 1)); head = count
  right = groups(substr(text, gap + 2)); tail = count
  if (left == "x" || right == "x" || head + tail > 7) return ""
  return "6" left substr("0000000000000000000000000000", 1, 4 * (8 - head - tail)) right
}
function groups(text,   group, i, digits) {
  count = text == "" ? 0 : split(text, group, ":")
  digits = ""
  for (i = 1; i <= count; i++) {
    if (group[i] !~ /^[0-9a-f][0-9a-f]?[0-9a-f]?[0-9a-f]?$/) return "x"
    digits = digits substr("0000", 1, 4 - length(group[i])) group[i]
  }
  return digits
}
function network(key, prefix,   whole, digit) {
  if (prefix >= (length(key) - 1) * 4) return key
  whole = int(prefix / 4)
  digit = index("0123456789abcdef", substr(key, whole + 2, 1)) - 1
  # 2 ^ (4 - prefix % 4), which the awk of busybox may lack.
  digit -= digit % (prefix % 4 ? substr("842", prefix % 4, 1) : 16)
  return substr(key, 1, whole + 1) substr("0123456789abcdef", digit + 1, 1) \
    substr("00000000000000000000000000000000", 1, length(key) - whole - 2)
}
'

# From text, an address a line, to lines "KEY PREFIX TEXT"; fails, with a reason, at the first line that is none.
parse_list() {
  if [ -s "$1" ] && [ -n "$(tail -c 1 "$1")" ]; then echo 'the last line of the list is cut off' >&2; return 1; fi
  awk -v widest4="$WIDEST4" -v widest6="$WIDEST6" "$ADDRESS_AWK"'
    !parse($0) || prefix == width && index($0, "/") { bad = "is no address or network"; exit }
    prefix < (width == 32 ? widest4 : widest6) { bad = "is wider than a network in a list of ours can be"; exit }
    (key, prefix) in seen { bad = "is there twice"; exit }
    { seen[key, prefix]; print key, prefix, $0 }
    END {
      if (!bad) exit
      gsub(/[^ -~]/, "?")
      print "line " NR " of the list " bad ": " substr($0, 1, 60) > "/dev/stderr"
      exit 1
    }' "$1"
}

# What must never be cut off: the own addresses, gateways, resolvers, the hub, BANHUB_KEEP. Lines "KEY PREFIX".
find_protected() {
  ip -o addr show > "$work/addresses" && ip -4 route show table all > "$work/routes" || return 1
  # Absent where IPv6 is switched off.
  ip -6 route show table all >> "$work/routes" 2> /dev/null
  hub_host=$(printf '%s\n' "$url" | sed 's,^[a-z]*://,,; s,/.*,,; s,.*@,,; s,^\[\(.*\)\].*,\1,; t; s,:[0-9]*$,,')
  {
    awk '{ for (i = 1; i < NF; i++) if ($i ~ /^(inet6?|peer)$/) { sub(/\/.*/, "", $(i + 1)); print $(i + 1) } }' "$work/addresses"
    awk '{ for (i = 1; i < NF; i++) if ($i == "via") print ($(i + 1) ~ /^inet6?$/ ? $(i + 2) : $(i + 1)) }' "$work/routes"
    cat /etc/resolv.conf /run/systemd/resolve/resolv.conf 2> /dev/null |
      awk '$1 == "nameserver" { sub(/%.*/, "", $2); print $2 }'
    echo "$hub_host"
    cat "$state_dir/sh.hub" 2> /dev/null
    getent ahosts "$hub_host" 2> /dev/null | awk '{ print $1 }'
    kept_here
    # Without these a host does not work at all, whatever a hub may publish.
    printf '%s\n' 0.0.0.0/8 127.0.0.0/8 169.254.0.0/16 224.0.0.0/4 255.255.255.255 :: ::1 fe80::/10 ff00::/8
  } | awk "$ADDRESS_AWK"'parse($0) { print key, prefix }' | sort -u
}

# --- plan ---

# $work/list without the entries that cover, or are covered by, what is protected.
leave_out_protected() {
  awk "$ADDRESS_AWK"'
    FILENAME == ARGV[1] { protected[$1 "/" $2]; prefixes[$2]; next }
    covered($1, $2) || covers($1, $2) { left_out = left_out " " $3; next }
    { print }
    END { if (left_out) print substr("banhub-sync: must stay reachable, so not blocked:" left_out, 1, 500) > "/dev/stderr" }
    function covered(key, prefix,   p) {
      for (p in prefixes) if (p + 0 <= prefix && (network(key, p + 0) "/" p) in protected) return 1
      return 0
    }
    function covers(key, prefix,   id, part) {
      if (prefix == (length(key) - 1) * 4) return 0
      for (id in protected) {
        split(id, part, "/")
        if (length(part[1]) == length(key) && part[2] + 0 > prefix && network(part[1], prefix) == key) return 1
      }
      return 0
    }' "$work/protected" "$work/list"
}

# The target and what the kernel holds (file $1, an address a line) come in; lines "add FAMILY ADDRESS" and "del FAMILY
# ADDRESS" go out. With $2 = singles or networks for those alone; of networks then only the outermost: an interval set
# cannot hold one inside another.
plan() {
  awk -v only="${2:-all}" "$ADDRESS_AWK"'
    FILENAME == ARGV[1] {
      single = $2 == (length($1) - 1) * 4
      if (only != "all" && (only == "singles") != single) next
      want[$1 "/" $2] = $3
      if (!single) { networks[$1 "/" $2]; prefixes[$2] }
      next
    }
    parse($0) { have[key "/" prefix] = $0 }
    END {
      if (only == "networks") for (id in networks) {
        split(id, part, "/")
        for (p in prefixes) if (p + 0 < part[2] + 0 && (network(part[1], p + 0) "/" p) in networks) delete want[id]
      }
      for (id in want) if (!(id in have)) print "add", substr(id, 1, 1), want[id]
      for (id in have) if (!(id in want)) print "del", substr(id, 1, 1), have[id]
    }' "$work/target" "$1"
}

# --- enforcer: blackhole routes ---

held_routes() {
  for family in 4 6; do
    # Filtered by number: "show" prints a name where /etc/iproute2/rt_protos has one.
    ip -"$family" route show type blackhole proto "$ROUTE_PROTO" 2> /dev/null
  done | awk -v metric="$ROUTE_METRIC" '{ for (i = 3; i < NF; i++) if ($i == "metric" && $(i + 1) == metric) print $2 }'
}

enforce_route() {
  held_routes > "$work/held"
  plan "$work/held" > "$work/plan" || return 1
  apply_routes && report_change routes
}

apply_routes() {
  for family in 4 6; do
    # What comes is there before anything goes: a network that takes the place of its addresses leaves no gap.
    awk -v family="$family" -v route="proto $ROUTE_PROTO metric $ROUTE_METRIC" '$2 == family { print "route", $1, "blackhole", $3, route }' "$work/plan" |
      sort > "$work/batch"
    [ -s "$work/batch" ] || continue
    ip -"$family" -force -batch "$work/batch" 2> "$work/why" ||
      { complain "routes: $(head -n 1 "$work/why")"; return 1; }
  done
}

# --- enforcer: nftables ---

# Single addresses in hash sets: an interval set of 100,000 needs seconds for one removal. Set by set the same as the Node
# client makes, with room for half as many again as $1 and $2: a set with a size is filled faster, but takes no more.
nft_frame() {
  cat << NFT
add table $NFT_TABLE
delete table $NFT_TABLE
table $NFT_TABLE {
  set single4 { type ipv4_addr; size $1; }
  set single6 { type ipv6_addr; size $2; }
  set network4 { type ipv4_addr; flags interval; }
  set network6 { type ipv6_addr; flags interval; }
  chain prerouting {
    type filter hook prerouting priority -300; policy accept;
    ip saddr @single4 counter drop
    ip saddr @network4 counter drop
    ip6 saddr @single6 counter drop
    ip6 saddr @network6 counter drop
  }
}
NFT
}

# Prints the sizes of the sets of single addresses if table, sets and rules stand as nft_frame makes them. "list ruleset" is
# the one command that does not fetch the elements for that.
nft_frame_sizes() {
  nft -t -s -nn list ruleset inet | awk '
    $1 == "table" { ours = $3 == "banhub" }
    !ours { next }
    $1 == "set" { set = $2 }
    $1 == "size" { size[set] = $2 }
    /hook prerouting priority (-300|raw); policy accept;/ { parts++ }
    /^[ \t]*ip6? saddr @(single4|single6|network4|network6) (counter )?drop$/ { parts++ }
    END { if (parts == 5 && size["single4"] && size["single6"]) print size["single4"], size["single6"] }'
}

# What the four sets hold, an address a line.
held_elements() {
  # shellcheck disable=SC2086 # a family and a name
  nft -nn list table $NFT_TABLE 2> /dev/null | awk '
    /elements = \{/ { inside = 1; sub(/.*elements = \{/, "") }
    inside { last = index($0, "}"); gsub(/[,}]/, " "); for (i = 1; i <= NF; i++) print $i; if (last) inside = 0 }'
}

# One transaction: the frame if it does not stand, or is too small, then what comes and goes.
enforce_nftables() {
  held_elements > "$work/elements"
  : > "$work/commands"
  if ! nft_frame_fits; then
    nft_frame "$(room_for "$singles4")" "$(room_for "$singles6")" > "$work/commands"
    : > "$work/elements"
  fi
  : > "$work/plan"
  : > "$work/none"
  for kind in single network; do
    if [ $kind = single ]; then grep -v / "$work/elements" > "$work/held"; else grep / "$work/elements" > "$work/held"; fi
    plan "$work/held" "${kind}s" > "$work/part" || return 1
    cat "$work/part" >> "$work/plan"
    for family in 4 6; do
      if [ $kind = network ] && grep -q "^del $family" "$work/part"; then
        # Taking networks out of a large interval set one by one takes seconds; filling it anew does not.
        echo "flush set $NFT_TABLE $kind$family"
        plan "$work/none" networks | nft_elements add "$family" "$kind$family"
      else
        nft_elements del "$family" "$kind$family" < "$work/part"
        nft_elements add "$family" "$kind$family" < "$work/part"
      fi >> "$work/commands"
    done
  done
  [ -s "$work/commands" ] || return 0
  nft -f "$work/commands" 2> "$work/why" || { complain "nftables: $(head -n 1 "$work/why")"; return 1; }
  report_change nftables
}

# Whether the table stands and has room. Ranges are what somebody merged or added by hand: they compare with nothing of ours.
nft_frame_fits() {
  singles4=$(grep -c '^4[^ ]* 32 ' "$work/target")
  singles6=$(grep -c '^6[^ ]* 128 ' "$work/target")
  nft_frame_sizes > "$work/sizes"
  read -r size4 size6 < "$work/sizes" || return 1
  [ "$singles4" -le "$size4" ] && [ "$singles6" -le "$size6" ] && ! grep -q -e - "$work/elements"
}

# Lines of a plan in, one command out: verb $1, family $2, set $3.
nft_elements() {
  awk -v verb="$1" -v family="$2" -v set="$NFT_TABLE $3" '
    $1 == verb && $2 == family { printf "%s%s", n++ ? "," : (verb == "del" ? "delete" : "add") " element " set " {", $3 }
    END { if (n) print "}" }'
}

room_for() {
  room=16384
  while [ "$room" -lt $(($1 * 3 / 2)) ]; do room=$((room * 2)); done
  echo "$room"
}

# --- other commands ---

status() {
  need ip
  if [ -f "$state_dir/sh.meta" ]; then
    read -r entries revision _ < "$state_dir/sh.meta"
    echo "list: $entries entries, revision $revision, enforced $(cat "$state_dir/sh.enforced" 2> /dev/null || echo never)"
  else
    echo 'list: none taken yet'
  fi
  echo "routes: $(held_routes | wc -l | tr -d ' ')"
  command -v nft > /dev/null || return 0
  echo "nftables: $(held_elements | wc -l | tr -d ' ')"
}

flush() {
  begin
  need ip
  held_routes | awk '{ print "del", index($0, ":") ? 6 : 4, $0 }' > "$work/plan"
  apply_routes || exit 1
  if command -v nft > /dev/null; then
    # "add" first, so that it succeeds where there is none.
    printf 'add table %s\ndelete table %s\n' "$NFT_TABLE" "$NFT_TABLE" | nft -f - 2> "$work/why" || fail "$(head -n 1 "$work/why")"
  fi
  rm -f "$state_dir/sh.list" "$state_dir/sh.meta" "$state_dir/sh.hub" "$state_dir/sh.enforced"
}

# --- small things ---

# One at a time, in a directory of its own. The lock ends with the process, however that ends.
begin() {
  (: > "$state_dir/sh.lock") 2> /dev/null || fail "cannot write to $state_dir"
  exec 9> "$state_dir/sh.lock"
  flock -n 9 || fail 'another run is not finished yet'
  work=$state_dir/sh.work
  rm -rf "$work"
  mkdir "$work" || fail "cannot write to $state_dir"
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' HUP INT TERM
}

report_change() {
  added=$(grep -c '^add' "$work/plan")
  removed=$(grep -c '^del' "$work/plan")
  [ "$added" = 0 ] && [ "$removed" = 0 ] || echo "banhub-sync: $1: $added added, $removed removed, revision $revision"
}

count_lines() {
  wc -l < "$1" | tr -d ' '
}

is_number() {
  case $1 in '' | *[!0-9]* | ????????????????*) return 1 ;; esac
}

need() {
  for tool in "$@"; do
    command -v "$tool" > /dev/null || misuse "$tool is not installed"
  done
}

complain() {
  echo "banhub-sync: $1" >&2
}

fail() {
  complain "$1; what is enforced stays"
  exit 1
}

misuse() {
  complain "$1"
  exit 2
}

main "$@"
