-- Nobody can read the record of this version; whoever waits for regions to be warm waits for the rest.
UPDATE credential SET poisoned_version = $2
WHERE credential = $1 AND version = $2 AND poisoned_version IS DISTINCT FROM $2
