SELECT count(*) AS vehicles, CAST(sum(heads - seen) AS BIGINT) AS missing
FROM (
  SELECT device_epoch, vehicle_group, max(vehicle_heads) AS heads, count(*) AS seen
  FROM scans
  WHERE local_date = DATE '{day}' AND vehicle_group IS NOT NULL
  GROUP BY device_epoch, vehicle_group
  HAVING count(*) < max(vehicle_heads)
) AS vehicle
