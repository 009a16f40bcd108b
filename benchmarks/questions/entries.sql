SELECT district, local_hour, count(*) AS entries
FROM scans
WHERE local_date = DATE '{day}' AND direction = 'entry'
GROUP BY district, local_hour
ORDER BY district, local_hour
