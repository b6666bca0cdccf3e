-- Changes that no instance needs any more: below everybody's low water, and beyond the newest $1, which
-- are kept so that an instance that starts can believe what its region's cache has held for long. At most
-- $2 of them at once; the rest next time.
DELETE FROM change WHERE seq IN (
    SELECT seq FROM change
    WHERE seq < (SELECT seq FROM change ORDER BY seq DESC OFFSET $1 LIMIT 1)
      AND seq <= (SELECT min(low_water) FROM instance)
    ORDER BY seq LIMIT $2)
