# Concrete's Keyset with secret keys, for tests alone: no package of ours reads or writes a secret key in this form.
@0xa8b7c6d5e4f30219;

struct Payload {
  data @0 :List(Data);
}

struct Unused {}

struct ServerKeyset {
  lweBootstrapKeys @0 :List(Unused);
  lweKeyswitchKeys @1 :List(Unused);
  packingKeyswitchKeys @2 :List(Unused);
}

enum KeyType {
  binary @0;
  ternary @1;
}

struct SecretKeyParams {
  lweDimension @0 :UInt32;
  integerPrecision @1 :UInt32;
  keyType @2 :KeyType;
}

struct SecretKeyInfo {
  id @0 :UInt32;
  params @1 :SecretKeyParams;
}

struct SecretKey {
  info @0 :SecretKeyInfo;
  payload @1 :Payload;
}

struct ClientKeyset {
  lweSecretKeys @0 :List(SecretKey);
}

struct Keyset {
  server @0 :ServerKeyset;
  client @1 :ClientKeyset;
}
