#!/usr/bin/env bash
# Apache Kafka's jars for the broker that tests start, in .tools/kafka/lib. The version is in kafka/pom.xml.
set -euo pipefail
cd "$(dirname "$0")/.."
stamp=.tools/kafka/.stamp
want=$(sha256sum kafka/pom.xml)

if [[ $(cat "$stamp" 2>/dev/null) == "$want" ]] && compgen -G '.tools/kafka/lib/kafka_*.jar' >/dev/null; then exit 0; fi
command -v mvn >/dev/null || setup/apt.sh maven
echo "setup: fetching Apache Kafka" >&2
kafka/broker.sh --install
mkdir -p .tools/kafka
echo "$want" >"$stamp"
