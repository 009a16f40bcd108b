SELECT street, CAST(local_date AS VARCHAR) AS day, count(*) AS fevers, max(temperature_tenths_celsius) AS highest
FROM scans
WHERE local_date = DATE '{day}' AND temperature_tenths_celsius >= 373
GROUP BY street, local_date
ORDER BY street, day
