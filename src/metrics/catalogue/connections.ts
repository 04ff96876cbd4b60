/** Connections: how many, why they end, and what goes over them. */
import type { Catalogue } from '../metric.js';

export const CONNECTIONS = {
  connections: {
    type: 'gauge',
    name: 'action_energy_connections',
    unit: 'count',
    labels: [],
    help: 'Open connections. At --max-connections those longest without a call are closed for new ones: look for clients that connect once a request',
    panel: { row: 'connections', title: 'Open connections', show: 'value' },
  },
  connectionsClosed: {
    type: 'counter',
    name: 'action_energy_connections_closed_total',
    unit: 'count',
    labels: ['cause'],
    help: 'Connections that ended, by cause. limit, peer_limit and displaced: too many are open, find the address that opens them. idle: no call for --connection-idle-ms. resets: its clients cancel hundreds of calls, whose other calls ran on. error: the network, or a client that breaks HTTP/2',
    panel: { row: 'connections', title: 'Connections closed by cause', show: 'rate', by: ['cause'] },
  },
  connectionReceived: {
    type: 'counter',
    name: 'action_energy_received_bytes_total',
    unit: 'bytes',
    labels: [],
    help: 'Bytes that clients sent, HTTP/2 and gRPC frames included. Near what the network carries, send hidden states as bfloat16 or keep contexts',
    panel: { row: 'connections', title: 'Received', show: 'rate' },
  },
  connectionSent: {
    type: 'counter',
    name: 'action_energy_sent_bytes_total',
    unit: 'bytes',
    labels: [],
    help: 'Bytes that were sent to clients. Grows with what answers hold: ask for steps only where they are read',
    panel: { row: 'connections', title: 'Sent', show: 'rate' },
  },
} as const satisfies Catalogue;
