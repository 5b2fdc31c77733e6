// The answer of GET /v1/schema, and what follows from it.

/** @typedef {"applied" | "pending" | "waiting" | "running" | "failed" | "edited" | "missing" | "newer"} State */

/**
 * @typedef {object} Run
 * @property {string} operation
 * @property {string} outcome
 * @property {string} username
 * @property {string} hostname
 * @property {number | null} process
 * @property {string} started_at
 * @property {number | null} seconds
 * @property {string | null} error
 * @property {string | null} reason why a contract ran although an older release may have run
 */

/**
 * @typedef {object} Migration
 * @property {string} id
 * @property {State} state
 * @property {"expand" | "background" | "contract"} phase
 * @property {string | null} waits why yoyo apply does not apply it
 * @property {string | null} fault
 * @property {string | null} title
 * @property {string | null} what
 * @property {string | null} why
 * @property {string | null} locks
 * @property {string | null} cost
 * @property {string | null} loses
 * @property {string | null} irreversible
 * @property {boolean | null} transactional
 * @property {string | null} sql
 * @property {string | null} rollback
 * @property {string | null} applied_at
 * @property {Run[]} runs the last ten, newest first
 */

/** @typedef {{ name: string, comment: string | null }} Named */
/** @typedef {Named & { type: string, nullable: boolean, default: string | null, generated: string | null }} Column */
/** @typedef {Named & { definition: string, valid: boolean }} Constraint */
/** @typedef {Named & { definition: string, valid: boolean, bytes: number, scans: number }} Index */
/** @typedef {Named & { definition: string, enabled: boolean }} Trigger */

/**
 * @typedef {object} Table
 * @property {string} name
 * @property {string | null} comment
 * @property {number} rows
 * @property {number} dead_rows
 * @property {number} table_bytes
 * @property {number} index_bytes
 * @property {number} scans
 * @property {string | null} last_vacuum
 * @property {string | null} last_autovacuum
 * @property {string | null} last_analyze
 * @property {string | null} last_autoanalyze
 * @property {Column[]} columns
 * @property {Constraint[]} constraints
 * @property {Index[]} indexes
 * @property {Trigger[]} triggers
 */

/** @typedef {{ calls: number, seconds: number }} Measured */
/** @typedef {"service" | "database"} Source */

/**
 * @typedef {object} Query
 * @property {string} name
 * @property {string} purpose
 * @property {string} sql
 * @property {Measured | null} service
 * @property {Measured | null} database
 */

/**
 * @typedef {object} Migrator
 * @property {string} name
 * @property {string | null} migration
 * @property {string | null} statement
 * @property {string[]} blockers
 */

/**
 * @typedef {object} Check the last result of a check of images schema verify
 * @property {string} name
 * @property {string} table
 * @property {string} checked_at
 * @property {number} rows
 * @property {number} faults
 * @property {number} repaired
 */

/**
 * @typedef {object} Schema
 * @property {{ name: string, version: string, role: string, bytes: number, counted_since: string | null }} database
 * @property {"up-to-date" | "pending" | "wrong" | null} state
 * @property {Migrator | null} migrator
 * @property {Migration[]} migrations by ID
 * @property {string[] | null} drift
 * @property {Check[]} checks
 * @property {Table[]} tables
 * @property {Query[]} queries
 * @property {Source[]} sources
 * @property {string[]} unknown
 */

/** @typedef {"good" | "care" | "bad"} Level a class of the style sheet */

/**
 * Return the last run that changed the database. "accept" only records a checksum.
 * @param {Migration} migration
 */
export const lastRun = (migration) => migration.runs.find((run) => run.operation !== "accept");

/**
 * Return a migration's name in the address: its number, or the whole ID if an earlier one has the same number.
 * @param {Migration} migration
 * @param {Migration[]} migrations
 */
export function anchor(migration, migrations) {
  const [number] = migration.id.split("_");
  return migrations.find((other) => other.id.startsWith(number)) === migration ? number : migration.id;
}

/**
 * Return what is wrong with a migration, in sentences.
 * @param {Migration} migration
 */
export function problems(migration) {
  const run = lastRun(migration);
  const found = migration.fault ? [migration.fault] : [];
  if (migration.state !== "failed" || !run) return found;
  if (run.outcome === "started") {
    return [...found, `its ${run.operation} was interrupted. To continue it, run yoyo apply.`];
  }
  return [...found, `its ${run.operation} ${run.outcome}${run.error ? `: ${run.error}` : ""}`];
}
