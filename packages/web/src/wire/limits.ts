/** What a reader accepts at most: figures of protos/SPEC.md, which a test compares. */
export const MAX_CLIENT_SPEC_BYTES = 16777216;
export const MAX_PARTS = 524288;
export const MAX_VECTOR_SIZE = 131072;
export const MAX_AFFINE_LEVELS = 16777216;
export const MAX_KNOTS = 4096;
export const MAX_CURVES = 64;
export const MAX_FURTHER_BITS = 2;
export const MAX_NAME_LENGTH = 256;
export const MAX_LEVELLED_POLYNOMIALS = 64;
export const MAX_MESSAGE_BYTES = 67108864;
export const MAX_MODEL_LIST_BYTES = 262144;
export const CHUNK_BYTES = 1048576;
