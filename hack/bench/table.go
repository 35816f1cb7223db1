package main

import "context"

// row is a line of the table.
type row struct {
	name, target string
	measure      func(ctx context.Context, o *options) (string, error)
}

var rows = []row{
	{"fan-out, 1,000 WS × 300 B, 4,000/s in batches of 100", "≥ 3.5 M deliveries/s, 0 dropped", fanout300},
	{"fan-out, 1,000 WS × 3,000 B, 500/s", "≥ 85 % of raw TCP's bytes/s, 0 dropped", fanout3000},
	{"1,000 WS × 400/s × 1,500 B", "p50 ≤ 12 ms, p99 ≤ 30 ms, 0 dropped, ≤ 0.65 core", steady(1000, 400, 1500)},
	{"1,000 WS × 50/s × 1,500 B", "p50 ≤ 5.5 ms, p99 ≤ 12 ms", steady(1000, 50, 1500)},
	{"one client, append to client, lite", "–", steady(1, 20, 1500)},
	{"one client, the log's last byte to the client, lite", "p50 ≤ 0.3 ms", answerToClient},
	{"10,000 WS × 40/s × 1,500 B", "≥ 90 % of the bytes, 0 dropped", steady(10000, 40, 1500)},
	{"RSS, the whole streamer following 60 logs at 1,600/s, no clients", "≤ 20 MiB", rssFollowing},
	{"RSS, fan-out alone at 1,600/s, no clients", "≤ 20 MiB", rssNobody},
	{"RSS, 1,000 WS under load (domains-only, 1,600/s)", "≤ 35 MiB", rssLoaded},
	{"RSS, 10,000 idle WS (a filter that never matches, 1,600/s)", "≤ 90 MiB", rssIdle},
	{"10,000 WS with a suffix of their own, 2,000/s", "≤ 0.05 core (filters alone)", ownFilters("/?suffix=c#.example.com", 10000)},
	{"100 WS with a regular expression of their own, 2,000/s", "≤ 0.25 core (filters alone)",
		ownFilters("/?domain=x%5B0-9%5D{2,3}c#z", 100)},
	{"parse one certificate, hashes aside", "0 allocations, ≥ 15 × crypto/x509", parseRow},
	{"parse, encode lite and domains-only, hashes aside", "≥ 150,000 entries/s a core, O(1) allocations", encodeRow},
	{"fingerprints, DER and chain added", "≤ 1.3 × the hashes and base64 alone", hashRow},
	{"allocations per broadcast message", "O(1)", broadcastRow},
	{"per connection, WS", "≤ 6 KiB", perConnection("websocket", "/")},
	{"per connection, SSE", "≤ 5 KiB", perConnection("sse", "/sse")},
	{"per connection, TCP", "≤ 5 KiB", perConnection("tcp", "l")},
	{"catch-up from a tiled log, the whole streamer, verified", "≤ 1.5 × gunzip and leaf hash", catchUp},
	{"verification off, consistency, full: a tiled log's backlog, the whole streamer", "full ≤ 1.3 × off", verificationCost},
	{"each log more: 20, 60, 120 logs at 1,600/s together", "–", perLog},
	{"TLS: 500 wss × 400/s × 1,500 B beside ws", "–", tlsRow},
	{"drain of 10,000 WS over 60 s", "≤ 2 % within a second, 0 resets", drainRow},
	{"replay from disk, the engine alone", "–", replayRaw},
	{"replay from disk to one WS, lite", "–", replayTo("/")},
	{"replay from disk to one WS, full", "–", replayTo("/full-stream")},
	{"replay: 500 live WS × 400/s × 1,500 B beside 8 that replay", "p99 ≤ +10 %", replayBeside},
	{"RSS, the whole streamer following 60 logs at 1,600/s, retention on", "–", rssRetaining},
	{"restart with state after kill -9, 60 logs", "serving < 1 s, ≤ one interval repeated, 0 missing", restartRow},
	{"config change to every pod", "p50 ≤ 1 s, p95 ≤ 1.5 s, 0 connections dropped", elsewhere("make e2e, FIGURE")},
	{"operator, 500 CertStreams", "0 API writes/min, ≤ 60 MiB", elsewhere("make scale")},
	{"hostile: never reading", "p99 ≤ +10 %, 0 dropped", hostileRow("never reading")},
	{"hostile: a byte a second", "p99 ≤ +10 %, 0 dropped", hostileRow("a byte a second")},
	{"hostile: giant frames", "p99 ≤ +10 %, 0 dropped", hostileRow("giant frames")},
	{"hostile: bad frames", "p99 ≤ +10 %, 0 dropped", hostileRow("bad frames")},
	{"hostile: half-open", "p99 ≤ +10 %, 0 dropped", hostileRow("half-open")},
	{"hostile: connect storm", "p99 ≤ +10 %, 0 dropped", hostileRow("connect storm")},
	{"hostile: header flood", "p99 ≤ +10 %, 0 dropped", hostileRow("header flood")},
	{"hostile: filter bombs", "p99 ≤ +10 %, 0 dropped", hostileRow("filter bombs")},
	{"hostile: replays", "p99 ≤ +10 %, 0 dropped", hostileRow("replays")},
	{"hostile: all of them at once", "p99 ≤ +10 %, 0 dropped", hostileRow(allAttacks()...)},
}
