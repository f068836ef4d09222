// A fleet to try things out: small, and without workers while nobody calls.
using './main.bicep'

param name = 'prynai-dev'
param registryName = readEnvironmentVariable('REGISTRY_NAME')
param image = readEnvironmentVariable('IMAGE')
param apiClientId = readEnvironmentVariable('API_CLIENT_ID')
param envelopeKey = readEnvironmentVariable('ENVELOPE_KEY', '')

param redisSku = 'Balanced_B0'
param redisHighAvailability = false

param gatewayMinReplicas = 1
param gatewayMaxReplicas = 2
param workerMinReplicas = 0
param workerMaxReplicas = 3
