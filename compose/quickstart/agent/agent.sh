#!/bin/sh
# Gives Claude Code the same task again and again, as an autonomous agent would get new ones.
while :; do
	claude -p "$*" || echo "agent: failed with $?"
	sleep "${EVERY_S:-15}" &
	wait $!
done
