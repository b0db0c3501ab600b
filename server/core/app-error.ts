// Words: everything that the hub refuses to do, in ten codes. One table turns a code into an HTTP status.

export const STATUS_OF = {
  invalid: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  too_large: 413,
  unsupported: 415,
  refused: 422,
  too_many_requests: 429,
  unavailable: 503,
} as const;

export type ErrorCode = keyof typeof STATUS_OF;

/** An error with a text fit for the caller. Anything else that is thrown becomes a 500 without detail. */
export class AppError extends Error {
  readonly code: ErrorCode;
  /** The field of the input that is wrong, if one is. */
  readonly field: string | undefined;
  /** The named reason of a refusal. */
  readonly reason: string | undefined;

  constructor(code: ErrorCode, detail: string, options: { field?: string; reason?: string; cause?: unknown } = {}) {
    super(detail, { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.field = options.field;
    this.reason = options.reason;
  }
}
