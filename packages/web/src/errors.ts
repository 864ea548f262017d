/**
 * Exceptions, so that one `instanceof CryptableError` catches what this package throws on purpose.
 *
 *     CryptableError
 *     ├── InvalidInputError         the caller's row or argument does not fit
 *     ├── MalformedMessageError     bytes are not what the specification allows: truncated, corrupted, out of range
 *     │   └── LimitExceededError    ... or larger than a reader accepts
 *     ├── InternalError             our bug; please report it
 *     ├── TrustError                a model is not the one that was trusted: nothing was generated or sent
 *     │   ├── SignatureError        ... its signature is wrong, missing, or by another signer than expected
 *     │   └── PinChangedError       ... its signer or its crypto parameters are not those of the first use
 *     ├── UnsupportedSchemeError    a model of a scheme whose keys are too much for a browser
 *     ├── KeyStoreError             keys cannot be kept here, or not be used
 *     │   └── KeysExpiredError      ... because they are past their date
 *     └── ServerError               the server, or the way to it, failed; `code` names the gRPC status
 *         ├── UnavailableError      not reachable, or restarting: the same call may be tried again
 *         ├── TimeoutExceededError  no answer before the deadline
 *         ├── NotFoundError         no such model or keys
 *         ├── SpecChangedError      the model was replaced after this connection was made: connect again
 *         ├── OverloadedError       a queue or quota is full: try again later
 *         ├── DataLossError         keys were damaged on their way or in the server's store
 *         ├── AuthenticationError   the caller is not known, or may not do this
 *         └── RequestRefusedError   the server calls the request malformed
 *
 * `advice` says what to do, where there is something; `message` has it too.
 */
export class CryptableError extends Error {
  readonly advice: string;

  constructor(message: string, advice = "", options?: ErrorOptions) {
    super(advice ? `${message}; ${advice}` : message, options);
    this.name = new.target.name;
    this.advice = advice;
  }
}

export class InvalidInputError extends CryptableError {}

export class MalformedMessageError extends CryptableError {}

export class LimitExceededError extends MalformedMessageError {}

export class InternalError extends CryptableError {}

export class TrustError extends CryptableError {}

export class SignatureError extends TrustError {}

export class PinChangedError extends TrustError {}

export class UnsupportedSchemeError extends CryptableError {}

export class KeyStoreError extends CryptableError {}

export class KeysExpiredError extends KeyStoreError {}

export class ServerError extends CryptableError {
  constructor(
    message: string,
    advice: string,
    /** Name of the gRPC status, as "NOT_FOUND". */
    readonly code: string,
    /** Milliseconds after which the same call may succeed, as the server says; undefined where it does not. */
    readonly retryAfterMs?: number,
    options?: ErrorOptions,
  ) {
    super(message, advice, options);
  }
}

export class UnavailableError extends ServerError {}

export class TimeoutExceededError extends ServerError {}

export class NotFoundError extends ServerError {}

export class SpecChangedError extends ServerError {}

export class OverloadedError extends ServerError {}

export class DataLossError extends ServerError {}

export class AuthenticationError extends ServerError {}

export class RequestRefusedError extends ServerError {}
