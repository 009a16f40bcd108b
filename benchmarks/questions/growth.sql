SELECT checkpoint,
       count(*) FILTER (WHERE local_hour >= 12) - count(*) FILTER (WHERE local_hour < 12) AS growth
FROM scans
WHERE local_date = DATE '{day}'
GROUP BY checkpoint
ORDER BY growth DESC, checkpoint
LIMIT 20
