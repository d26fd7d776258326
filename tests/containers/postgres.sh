#!/usr/bin/env bash
# PostgreSQL as its image starts it: a first start makes user and database, and runs what is given.
set -euo pipefail
export PGDATA=/var/lib/postgresql/data PATH=/usr/lib/postgresql/15/bin:$PATH
as_postgres() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
chown postgres "$PGDATA" && mkdir --parents /var/run/postgresql && chown postgres /var/run/postgresql
if [ ! -e "$PGDATA/PG_VERSION" ]; then
  password=$(as_postgres mktemp)
  printf %s "$POSTGRES_PASSWORD" >"$password"
  as_postgres initdb --username="$POSTGRES_USER" --pwfile="$password" --encoding=UTF8 \
    --auth-host=scram-sha-256 --auth-local=trust
  rm "$password"
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  as_postgres pg_ctl --wait --options="-c listen_addresses=" start
  as_postgres createdb --username="$POSTGRES_USER" "$POSTGRES_DB"
  for file in /docker-entrypoint-initdb.d/*.sql; do
    as_postgres psql --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" --file="$file"
  done
  as_postgres pg_ctl --wait stop
fi
exec setpriv --reuid=postgres --regid=postgres --clear-groups postgres -c "listen_addresses=*"
