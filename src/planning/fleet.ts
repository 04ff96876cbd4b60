/** How many machines a fleet of robots needs, from what a request costs on one of them. */
import { DEFAULT_BOUNDS } from '../batching/defaults.js';
import { Fault, invalid } from '../errors.js';
import { Waiting, type ServiceClass } from './waiting.js';

/** What a machine spends, milliseconds. */
export interface Costs {
  /** To encode one context. */
  readonly contextMs: number;
  /** To score one candidate. */
  readonly candidateMs: number;
  /** A request besides: its share of the engine's time, of the wire, of the checks. */
  readonly requestMs: number;
  /** What a caller waits besides, while the engine does something else: network, decoding, answering. */
  readonly latencyMs: number;
}

/** Which machine serves a request. */
export type Placement =
  /** A key for each context decides, so that in the long run each machine has as many; or robots are dealt out evenly. */
  | 'even'
  /** The hash of the robot's name: chance makes some machines fuller than others, for good. */
  | 'hashed';

export interface Fleet {
  readonly robots: number;
  /** Requests of one robot a second. */
  readonly hz: number;
  readonly candidates: number;
  /** Of the requests, how many name a kept context, 0 to 1. */
  readonly keptShare: number;
  readonly deadlineMs: number;
  readonly placement: Placement;
  /** The fullest machine is at most so busy, 0 to 1. */
  readonly utilisation: number;
  /** Machines that may be gone while the rest still holds all of this. */
  readonly spare: number;
  /** So many machines there are; absent: as few as will do. */
  readonly machines?: number;
}

export interface Load {
  readonly robots: number;
  readonly perSecond: number;
  readonly utilisation: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface Plan {
  /** Those that are needed, and the spare ones. */
  readonly machines: number;
  readonly needed: number;
  /** Requests of the fleet a second. */
  readonly perSecond: number;
  /** Engine time of a request, by whether its context is kept. */
  readonly keptMs: number;
  readonly freshMs: number;
  /** Of the machine with the most robots, while the spare ones are gone. */
  readonly fullest: Load;
  /** Whether it answers in time and is not too busy; never false where the machines were counted. */
  readonly holds: boolean;
  /** Robots that these machines hold. */
  readonly mostRobots: number;
}

/** More than anybody has. */
const MOST_ROBOTS = 1e9;
const LATE = 0.01;
/** With this probability no machine has more robots than the fullest is said to have. */
const SURE = 0.99;

/**
 * Errors: `invalid` figures; `precondition` where a robot alone is too much for a machine, or hashed robots are too much for as many
 * machines as there are robots.
 */
export function planFleet(costs: Costs, fleet: Fleet): Plan {
  checkFigures(costs, fleet);
  const holds = ({ utilisation, p99Ms }: Load): boolean =>
    utilisation <= fleet.utilisation && p99Ms <= fleet.deadlineMs;
  const loadWith = (machines: number, robots = fleet.robots): Load =>
    loadOf(costs, fleet, fullestOf(robots, machines, fleet.placement));
  const alone = loadOf(costs, fleet, 1);
  if (!holds(alone)) throw tooLong(alone, fleet);
  if (fleet.machines === undefined && !holds(loadWith(fleet.robots))) throw tooUneven(fleet);
  const needed =
    fleet.machines === undefined
      ? least(1, fleet.robots, (machines) => holds(loadWith(machines)))
      : fleet.machines - fleet.spare;
  const fullest = loadWith(needed);
  const tooMany = least(1, MOST_ROBOTS, (robots) => !holds(loadWith(needed, robots)));
  return {
    machines: needed + fleet.spare,
    needed,
    perSecond: fleet.robots * fleet.hz,
    keptMs: requestMs(costs, fleet.candidates, true),
    freshMs: requestMs(costs, fleet.candidates, false),
    fullest,
    holds: holds(fullest),
    mostRobots: tooMany - 1,
  };
}

function requestMs(
  { contextMs, candidateMs, requestMs: own }: Costs,
  candidates: number,
  kept: boolean,
): number {
  return own + candidates * candidateMs + (kept ? 0 : contextMs);
}

/** What a machine with so many robots does. */
export function loadOf(
  costs: Costs,
  fleet: Pick<Fleet, 'hz' | 'candidates' | 'keptShare'>,
  robots: number,
): Load {
  const perSecond = robots * fleet.hz;
  const classes: ServiceClass[] = [
    { share: fleet.keptShare, ms: requestMs(costs, fleet.candidates, true) },
    { share: 1 - fleet.keptShare, ms: requestMs(costs, fleet.candidates, false) },
  ].filter(({ share }) => share > 0);
  const waiting = new Waiting(perSecond / 1000, classes, DEFAULT_BOUNDS.ms);
  return {
    robots,
    perSecond,
    utilisation: waiting.utilisation,
    p50Ms: waiting.quantileMs(0.5) + costs.latencyMs,
    p99Ms: waiting.quantileMs(1 - LATE) + costs.latencyMs,
  };
}

/**
 * Robots of the fullest machine. Hashed, the robots of a machine are binomial(R, 1/m); the bound is the least k with
 * P(robots <= k)^m >= 0.99.
 */
export function fullestOf(robots: number, machines: number, placement: Placement): number {
  const even = Math.ceil(robots / machines);
  if (placement === 'even' || machines === 1) return even;
  let logAt = robots * Math.log1p(-1 / machines); // of P(robots = k), k = 0
  let within = Math.exp(logAt);
  const wanted = SURE ** (1 / machines);
  let k = 0;
  while (within < wanted && k < robots) {
    logAt += Math.log((robots - k) / (k + 1)) - Math.log(machines - 1);
    within += Math.exp(logAt);
    k++;
  }
  return Math.max(k, even);
}

/** The least integer in [from, to] of which `holds` is true; it is of all that follow, and of `to`. */
function least(from: number, to: number, holds: (value: number) => boolean): number {
  let low = from;
  let high = from;
  for (let step = 1; high < to && !holds(high); step *= 2) {
    low = high + 1;
    high = Math.min(to, high + step);
  }
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function checkFigures(costs: Costs, fleet: Fleet): void {
  for (const [name, value] of Object.entries(costs)) {
    if (!(value >= 0 && value < Infinity)) {
      throw invalid(`costs.${name}`, 'not a time', {
        found: String(value),
        wanted: 'milliseconds, at least 0',
      });
    }
  }
  if (fleet.machines !== undefined && fleet.machines <= fleet.spare) {
    throw invalid('machines', 'none is left', {
      found: `${fleet.machines}, of which ${fleet.spare} may be gone`,
      wanted: `more than ${fleet.spare}`,
    });
  }
  if (requestMs(costs, fleet.candidates, fleet.keptShare > 0) === 0) {
    throw invalid('costs', 'a request costs nothing', {
      wanted: 'some of contextMs, candidateMs, requestMs',
    });
  }
}

function tooUneven({ robots }: Fleet): Fault {
  return new Fault('precondition', 'a machine holds so few robots that hashing cannot spread them', {
    field: 'placement',
    found: `${robots} machines for ${robots} robots would not do`,
    mend: 'Place them evenly: a connection a robot to the machine with the fewest',
  });
}

function tooLong({ p99Ms, utilisation }: Load, fleet: Fleet): Fault {
  const busy = utilisation > fleet.utilisation;
  return new Fault('precondition', 'one robot alone is too much for a machine', {
    found: busy
      ? `${fleet.hz} requests a second keep it ${Math.round(100 * utilisation)} percent busy`
      : `99 percent of its requests take up to ${p99Ms.toFixed(1)} ms`,
    wanted: busy
      ? `at most ${Math.round(100 * fleet.utilisation)} percent`
      : `at most ${fleet.deadlineMs} ms`,
    mend: 'Ask for fewer candidates, keep more contexts, ask less often, or take a faster machine',
  });
}
