"""The same calls over HTTP, for pages: unary ones by the Connect protocol, through the entrance that gRPC's pass."""
