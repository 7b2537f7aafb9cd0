# pragma version 0.4.3
"""
@title Cash
@notice The quote asset, USDC with 18 decimals inside the ledger. May go negative: that is borrowing.

The asset is the address under which the ledger keeps cash; it moves nothing by itself. Unlike on
the real exchange a negative balance bears no interest here.
"""

name: public(constant(String[16])) = "Cash (USDC)"
decimals: public(constant(uint8)) = 18
