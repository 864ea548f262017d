# The part of concrete-python's wire format that the engine writes and reads: evaluation keys in, ciphertexts in and out.
# Written from the layout facts (field types and offsets); a test compares it with what Concrete itself serialises.
@0xd14c5ac9f2a4e3b7;

struct Payload {
  # Bytes, cut into blobs of at most 536870904.
  data @0 :List(Data);
}

struct Modulus {
  modulus :union {
    native @0 :Nothing;
    powerOfTwo @1 :AnyPointer;
    integer @2 :AnyPointer;
  }
}

struct Nothing {}

enum KeyType {
  binary @0;
  ternary @1;
}

enum Compression {
  none @0;
  seed @1;
  paillier @2;
}

struct BootstrapKeyParams {
  levelCount @0 :UInt32;
  baseLog @1 :UInt32;
  glweDimension @2 :UInt32;
  polynomialSize @3 :UInt32;
  variance @4 :Float64;
  integerPrecision @5 :UInt32;
  modulus @6 :Modulus;
  keyType @7 :KeyType;
  inputLweDimension @8 :UInt32;
}

struct BootstrapKeyInfo {
  id @0 :UInt32;
  inputId @1 :UInt32;
  outputId @2 :UInt32;
  params @3 :BootstrapKeyParams;
  compression @4 :Compression;
}

struct BootstrapKey {
  info @0 :BootstrapKeyInfo;
  payload @1 :Payload;
}

struct KeyswitchKeyParams {
  levelCount @0 :UInt32;
  baseLog @1 :UInt32;
  variance @2 :Float64;
  integerPrecision @3 :UInt32;
  modulus @4 :Modulus;
  keyType @5 :KeyType;
  inputLweDimension @6 :UInt32;
  outputLweDimension @7 :UInt32;
}

struct KeyswitchKeyInfo {
  id @0 :UInt32;
  inputId @1 :UInt32;
  outputId @2 :UInt32;
  params @3 :KeyswitchKeyParams;
  compression @4 :Compression;
}

struct KeyswitchKey {
  info @0 :KeyswitchKeyInfo;
  payload @1 :Payload;
}

struct ServerKeyset {
  lweBootstrapKeys @0 :List(BootstrapKey);
  lweKeyswitchKeys @1 :List(KeyswitchKey);
  packingKeyswitchKeys @2 :List(Nothing);
}

struct Shape {
  dimensions @0 :List(UInt32);
}

struct RawInfo {
  shape @0 :Shape;
  integerPrecision @1 :UInt32;
  isSigned @2 :Bool;
}

struct EncryptionInfo {
  keyId @0 :UInt32;
  variance @1 :Float64;
  lweDimension @2 :UInt32;
  modulus @3 :Modulus;
}

struct IntegerEncodingInfo {
  width @0 :UInt32;
  isSigned @1 :Bool;
  mode :union {
    native @2 :Nothing;
    chunked @3 :AnyPointer;
    crt @4 :AnyPointer;
  }
}

struct CiphertextInfo {
  abstractShape @0 :Shape;
  concreteShape @1 :Shape;
  integerPrecision @2 :UInt32;
  encryption @3 :EncryptionInfo;
  compression @4 :Compression;
  encoding :union {
    integer @5 :IntegerEncodingInfo;
    boolean @6 :AnyPointer;
  }
}

struct TypeInfo {
  union {
    lweCiphertext @0 :CiphertextInfo;
    plaintext @1 :AnyPointer;
    index @2 :AnyPointer;
  }
}

struct Value {
  payload @0 :Payload;
  rawInfo @1 :RawInfo;
  typeInfo @2 :TypeInfo;
}
