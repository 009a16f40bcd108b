#!/usr/bin/env bash
# A real Apache Kafka, one node (KRaft), for tests and for use by hand.
#
#   kafka/broker.sh --install                  fetch the jars into .tools/kafka/lib, unless they are there
#   kafka/broker.sh                            run on port 9092, data in data/kafka, until Ctrl-C
#   kafka/broker.sh --port P --data DIR        run there; DIR may hold the data of an earlier run
#   kafka/broker.sh … --stdin                  end when standard input closes: the broker never outlives who started it;
#                                              ends as well when Java does
#   kafka/broker.sh … --stdin --ephemeral      and when standard input closes, remove DIR; a Java that dies leaves it
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
lib=$root/.tools/kafka/lib
port=9092 data=$root/data/kafka stdin=no ephemeral=no install=no

while [ $# -gt 0 ]; do
  case $1 in
    --install) install=yes ;;
    --port) port=$2; shift ;;
    --data) data=$2; shift ;;
    --stdin) stdin=yes ;;
    --ephemeral) ephemeral=yes ;;
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "broker.sh: unknown option $1; see --help" >&2; exit 2 ;;
  esac
  shift
done

if ! compgen -G "$lib/kafka_*.jar" >/dev/null; then
  echo "fetching Apache Kafka (44 MB) into .tools/kafka/lib" >&2
  mkdir -p "$lib.new"
  mvn --batch-mode --quiet -f "$here/pom.xml" dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$lib.new"
  # Whole or not at all: an interrupted fetch is begun again.
  rm -rf "$lib"
  mv "$lib.new" "$lib"
fi
[ "$install" = no ] || exit 0

# The controller is spoken to by this node alone: any port that is free, below those that systems give to connections.
while controller=$((10000 + RANDOM % 20000)); (: <"/dev/tcp/127.0.0.1/$controller") 2>/dev/null; do :; done
mkdir -p "$data"
cat >"$data/server.properties" <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$data/log
num.partitions=1
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
log.retention.check.interval.ms=5000
log.initial.task.delay.ms=1000
EOF
kafka=(java -Xmx512m -Dlog4j2.configurationFile="$here/log4j2.properties" -cp "$lib/*")
if [ ! -e "$data/log/meta.properties" ]; then
  "${kafka[@]}" kafka.tools.StorageTool format -t 4L6g3nShT-eMCtK--X86sw -c "$data/server.properties" >/dev/null
fi
if [ "$stdin" = no ]; then
  echo "Kafka on 127.0.0.1:$port, data in $data; Ctrl-C ends it" >&2
  exec "${kafka[@]}" kafka.Kafka "$data/server.properties"
fi

# Whatever ends this script ends the broker, and waits until it has gone.
broker='' reader=''
finish() {
  trap - EXIT TERM INT HUP
  [ -z "$broker" ] || kill -KILL "$broker" 2>/dev/null || true
  [ -z "$reader" ] || kill "$reader" 2>/dev/null || true
  wait 2>/dev/null || true
  [ "$1" = keep ] || [ "$ephemeral" = no ] || rm -rf "$data"
}
trap 'finish keep' EXIT
trap 'finish remove; exit 143' TERM INT HUP

exec 3<&0
"${kafka[@]}" kafka.Kafka "$data/server.properties" </dev/null >"$data/broker.log" 2>&1 3<&- &
broker=$!
echo "$broker" >"$data/pid"
# Blocks until whoever holds the other end closes it, by dying if need be.
cat <&3 >/dev/null &
reader=$!
exec 3<&-

wait -n 2>/dev/null || true
if kill -0 "$broker" 2>/dev/null; then
  finish remove
else
  echo "broker.sh: Java has ended; see $data/broker.log" >&2
  exit 1
fi
