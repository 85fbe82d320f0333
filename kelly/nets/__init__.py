"""RTNeural JSON in and out, the catalog of the five nets, the processor."""
