/** What settings are made of. */
import { z } from 'zod';

export const MIB = 1 << 20;
export const size = z.int().min(1);
/** setTimeout's longest delay; longer ones fire at once. */
export const delayMs = z
  .int()
  .min(0)
  .max(2 ** 31 - 1);
export const path = z.string().min(1);
export const tcpAddress = z
  .string()
  .regex(/^(none|\[[0-9A-Fa-f:.]+\]:\d{1,5}|[^\s:[\]/]+:\d{1,5})$/, 'host:port, [ipv6]:port or none');

/** `flag` is the one name that a setting has outside the file. */
export function meta(flag: string, description: string): { flag: string; description: string } {
  return { flag, description };
}
