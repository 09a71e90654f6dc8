#!/usr/bin/env bash
# Makes what must be secret, once: passwords, keys, and certificates of an authority of your own.
#
#   sudo deploy/secrets.sh [--demo] [NAME…]
#
# --demo lets the gateways of the simulated city in, too: never where real ones send.
# NAME… are the names and addresses under which gateways and browsers reach this host, beside its own
# name and localhost: they go into the server's certificate. What is there already is never changed;
# to renew a secret, remove its file and run this again, then restart who reads it (docs/deploy.md).
#
# Each file is readable by its reader alone (mode 0400, owner as in the container), because compose
# hands files over as they are: hence root. SECRETS_DIR names another folder.
set -euo pipefail
umask 077
cd "$(dirname "$0")"
root=${SECRETS_DIR:-secrets}
demo=no
if [ "${1:-}" = --demo ]; then demo=yes; shift; fi
command -v openssl >/dev/null || { echo "openssl is not installed: apt-get install openssl" >&2; exit 1; }

random() { openssl rand -hex 32; }

# put FILE: standard input becomes the file, whole or not at all, where there is none yet.
put() {
  if [ -e "$root/$1" ]; then cat >/dev/null; return; fi
  mkdir -p "$root/$(dirname "$1")"
  cat >"$root/$1.part"
  mv "$root/$1.part" "$root/$1"
  echo "made $1"
}
value() { cat "$root/$1"; }

# Of a command that talks much: say it only where it fails.
quietly() {
  local said
  said=$("$@" 2>&1) || { echo "$said" >&2; return 1; }
}

mkdir -p "$root"
find "$root" -type d -exec chmod 0700 {} +

# ---- passwords and keys; a copy for each reader
random | put lifeline/admin_key
random | put lifeline/viewer_key
value lifeline/viewer_key | put prometheus/viewer_key
random | put postgres/password
random | put influxdb/password
random | put influxdb/token
random | put influxdb/reader_password
value influxdb/reader_password | put grafana/influxdb_password
random | put grafana/admin_password
random | put broker/lifeline_password

# ---- URLs with passwords in them
ca=/run/secrets/ca.crt
printf 'mqtts://lifeline:%s@mosquitto:8883?ca=%s\n' "$(value broker/lifeline_password)" "$ca" | put lifeline/mqtt_url
printf 'postgresql://lifeline:%s@postgres:5432/lifeline\n' "$(value postgres/password)" | put lifeline/state_url
printf 'influxdb2://%s@influxdb:8086/lifeline/lifeline\n' "$(value influxdb/token)" | put lifeline/archive_url

# ---- the broker's users; `lifeline gateway add --password-file` adds the gateways
# hashed USER: standard input, a password, becomes a line as mosquitto_passwd writes it.
hashed() {
  local password salt
  password=$(cat)
  salt=$(openssl rand -base64 12)
  printf '%s:$7$101$%s$%s\n' "$1" "$salt" \
    "$(openssl kdf -keylen 64 -binary -kdfopt digest:SHA512 -kdfopt "pass:$password" -kdfopt iter:101 \
        -kdfopt "hexsalt:$(base64 -d <<<"$salt" | od -An -v -tx1 | tr -d ' \n')" PBKDF2 | base64 -w0)"
}
value broker/lifeline_password | hashed lifeline | put broker/passwords
if [ $demo = yes ]; then
  for gateway in $(sed -n 's/^  - {id: \(gw-[a-z-]*\),.*/\1/p' ../config/sites/demo.yaml); do
    grep -qs "^$gateway:" "$root/simulators/passwords" && continue
    password=$(random)
    mkdir -p "$root/simulators"
    printf '%s:%s\n' "$gateway" "$password" >>"$root/simulators/passwords"
    printf %s "$password" | hashed "$gateway" >>"$root/broker/passwords"
    echo "let $gateway in"
  done
fi

# ---- an authority, and the server's certificate
if [ ! -e "$root/authority/ca.crt" ]; then
  mkdir -p "$root/authority"
  quietly openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
    -subj "/CN=Lifeline authority of $(hostname)" -addext basicConstraints=critical,CA:TRUE \
    -addext keyUsage=critical,keyCertSign,cRLSign \
    -keyout "$root/authority/ca.key" -out "$root/authority/ca.crt"
  echo "made authority/ca.crt: gateways and browsers are to trust it"
fi
if [ ! -e "$root/authority/server.crt" ]; then
  names="DNS:localhost,DNS:mosquitto,DNS:nginx,DNS:$(hostname),IP:127.0.0.1"
  for name in "$@"; do
    case $name in
      *[!0-9.]*) [[ $name == *:* ]] && names+=",IP:$name" || names+=",DNS:$name" ;;
      *) names+=",IP:$name" ;;
    esac
  done
  quietly openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=lifeline" \
    -keyout "$root/authority/server.key" -out "$root/authority/server.csr"
  printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n' "$names" \
    >"$root/authority/server.ext"
  quietly openssl x509 -req -in "$root/authority/server.csr" -days 825 -CAcreateserial \
    -CA "$root/authority/ca.crt" -CAkey "$root/authority/ca.key" \
    -extfile "$root/authority/server.ext" \
    -out "$root/authority/server.crt"
  rm "$root/authority/server.csr" "$root/authority/server.ext"
  for reader in mosquitto nginx; do rm -f "$root/$reader/server.crt" "$root/$reader/server.key"; done
  echo "made authority/server.crt for $names"
fi
for reader in lifeline mosquitto; do value authority/ca.crt | put "$reader/ca.crt"; done
for reader in mosquitto nginx; do
  value authority/server.crt | put "$reader/server.crt"
  value authority/server.key | put "$reader/server.key"
done

# ---- each file to its reader: the user that reads it in its container
give() {
  chmod 0500 "$root/$1"
  find "$root/$1" -type f -exec chmod 0400 {} +
  if [ "$(id -u)" -eq 0 ]; then chown -R "$2:$2" "$root/$1"; fi
}
find "$root" -type d -exec chmod 0700 {} +
find "$root" -type f -exec chmod 0600 {} +
give lifeline 10001
give mosquitto 1883
# The broker reads its users, the service writes them: the folder's group is the broker's, and stays
# that of files made in it.
chmod 2750 "$root/broker"
chmod 0640 "$root/broker/passwords"
chmod 0400 "$root/broker/lifeline_password"
if [ "$(id -u)" -eq 0 ]; then chown 10001:1883 "$root/broker" "$root/broker/passwords"; fi
[ ! -d "$root/simulators" ] || give simulators 10001
give influxdb 1000
give prometheus 65534
give grafana 472
if [ "$(id -u)" -ne 0 ]; then
  echo "Not run as root: the containers' users cannot read these files. Run it again with sudo." >&2
fi
