#!/usr/bin/env bash
# Reads a stream over crashes of the server and of this script: it goes on after the last event that it has handled.
#
# curl.sh http://localhost:8080/sse FILE
url=$1 file=$2

handle() { # the data of an event
  [[ $1 =~ '"cert_index":'([0-9]+) ]] && local index=${BASH_REMATCH[1]}
  [[ $1 =~ '"source":{"url":"'([^\"]+) ]] && echo "${BASH_REMATCH[1]} $index"
  [[ $1 =~ '"message_type":"gap"' ]] && echo "missed: $1" >&2
}

while true; do
  since=$(cat "$file" 2>/dev/null)
  while IFS= read -r line; do
    case $line in
      id:*) id=${line#id: } ;;
      data:*) data=${line#data: } ;;
      "") # the end of an event
        [[ $data ]] && handle "$data"
        [[ $id ]] && echo "$id" >"$file.new" && mv "$file.new" "$file"
        id='' data=''
        ;;
    esac
  done < <(curl -sN --speed-time 60 --speed-limit 1 ${since:+-H "Last-Event-ID: $since"} "$url")
  sleep 1
done
