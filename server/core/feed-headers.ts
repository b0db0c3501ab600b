// Words: the response headers that let a consumer tell a complete list from a truncated or foreign answer.

/** The revision that the body stands for: a whole number. */
export const REVISION_HEADER = 'banhub-revision';

/** How many lines a list has; on `changes`, how many entries the whole list has at that revision. */
export const COUNT_HEADER = 'banhub-count';

/** RFC 9530: `sha-256=:BASE64:` of the body as sent, after any content coding. */
export const DIGEST_HEADER = 'repr-digest';
