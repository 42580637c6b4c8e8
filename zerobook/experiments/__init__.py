# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
