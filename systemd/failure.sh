#!/bin/sh
# Run by retrolux-failure@REASON.service: tell the operator's program, and after too many failures rest, then start again. The
# service never stays down: rests are of 1, 2, 4, 8, then always 15 minutes, and of 1 again after two hours without one.
reason=${1:?a reason is needed}
rests=${RETROLUX_RESTS:-/run/retrolux-rests}  # how many there were, and when the last one began (s since the epoch)
hook=${RETROLUX_HOOK:-/etc/retrolux/on-failure}

# newer systemds come here at each failure, also where they start the service again themselves
if [ "$reason" = start-limit-hit ] && ! systemctl is-failed --quiet retrolux.service; then exit 0; fi
echo "retrolux failed: $reason"
if [ -x "$hook" ]; then
    timeout 60 "$hook" "$reason" || echo "$hook $reason ended with exit code $?"
fi

[ "$reason" = start-limit-hit ] || exit 0
now=$(date +%s)
n=0
last=0
if [ -r "$rests" ]; then read -r n last < "$rests" || true; fi
[ $((now - last)) -lt 7200 ] || n=0
seconds=900
[ "$n" -ge 4 ] || seconds=$((60 << n))
echo "$((n + 1)) $now" > "$rests"
echo "retrolux failed five times in five minutes: it is started again in $seconds s"
sleep "$seconds"
systemctl reset-failed retrolux.service
exec systemctl start --no-block retrolux.service
