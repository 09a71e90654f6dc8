#!/bin/bash
# Runs once, after influxd has made organisation, bucket and token (see docker-compose.yml).
set -euo pipefail
bucket=$DOCKER_INFLUXDB_INIT_BUCKET_ID

# InfluxQL asks for a database and a retention policy: this is the bucket under those names.
influx v1 dbrp create --db "$DOCKER_INFLUXDB_INIT_BUCKET" --rp autogen --default --bucket-id "$bucket"

# Who may only read: for Grafana.
influx v1 auth create --username reader --password "$(cat /run/secrets/reader_password)" \
  --read-bucket "$bucket"
