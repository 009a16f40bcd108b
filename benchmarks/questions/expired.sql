SELECT district, count(*) AS shown, count(DISTINCT code_ref) AS codes
FROM scans
WHERE local_date = DATE '{day}' AND array_has(reasons, 'expired')
GROUP BY district
ORDER BY district
