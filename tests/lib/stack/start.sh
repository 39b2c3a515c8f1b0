#!/bin/sh
[ -n "$ANTHROPIC_API_KEY" ] || . ./.env
docker compose -f docker-compose.yml -f docker-compose.mcp.yml up -d
