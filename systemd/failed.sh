#!/bin/sh
# Run by retrolux.service each time that it has stopped: where it failed, start what follows a failure, and wait for nothing.
# systemd gives SERVICE_RESULT (success, watchdog, signal, exit-code, oom-kill, …), EXIT_CODE and EXIT_STATUS.
[ "${SERVICE_RESULT:-success}" = success ] && exit 0
exec systemctl start --no-block "retrolux-failure@$SERVICE_RESULT:${EXIT_CODE:-none}:${EXIT_STATUS:-none}.service"
